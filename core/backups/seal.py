"""The seal of a backup: the SHA-256 of the whole file, in the last 64 bytes of that file.

A zip proves what is in it, but not each of its own bytes: times in a header, for one, are read by
nobody. The sum is taken as if zeros stood where the seal does.
"""

from hashlib import sha256
from pathlib import Path
from typing import IO

BLANK = b"0" * 64
CHUNK = 1 << 20


class Sealing:
    """A file to write from its beginning to its end, which is summed up on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = sha256()

    def write(self, data: bytes) -> int:
        """Write some more, and return how many bytes it was."""
        self._digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Pass on what is still held here."""
        self._file.flush()

    def close(self) -> None:
        """Leave the file open: who opened it closes it."""

    def seal(self) -> None:
        """Put the sum in place of the zeros that were written last."""
        self._file.seek(-len(BLANK), 2)
        self._file.write(self._digest.hexdigest().encode())


def is_whole(path: Path) -> bool:
    """Return whether a sealed file has each byte that it was sealed with.

    Raises:
        OSError: it cannot be read.
    """
    digest = sha256()
    left = path.stat().st_size - len(BLANK)
    if left < 0:
        return False
    with path.open("rb") as file:
        while left > 0:
            data = file.read(min(CHUNK, left))
            if not data:
                return False
            digest.update(data)
            left -= len(data)
        seal = file.read()
    digest.update(BLANK)
    return seal == digest.hexdigest().encode()
