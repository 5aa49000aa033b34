"""A small disk of the test's own that can be filled to the brim."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.data import missing

MEGABYTE = 1024 * 1024


class Disk:
    """A folder on a disk of its own; `ballast` is what fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @property
    def free(self) -> int:
        """How many bytes are free."""
        return shutil.disk_usage(self.folder).free

    def leave(self, count: int) -> None:
        """Fill it until so many bytes are free."""
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, self.free - count))

    def clear(self) -> None:
        """Take the ballast away, as somebody would who was called."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """Mount a small disk at `folder`, which is made; take it away afterwards."""
    if os.geteuid() != 0:
        missing("root, who may mount", "run the tests as root")
    folder.mkdir(exist_ok=True)
    size = f"size={megabytes}m,mode=755"
    subprocess.run(("mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)), check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True)
