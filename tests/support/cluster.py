"""A PostgreSQL of the test's own, which may be stopped as by a crash, and started again."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.data import missing
from tests.support.ports import free_port

BINARIES = "/usr/lib/postgresql/*/bin"
SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
shared_buffers = 64MB
max_connections = 200
{more}
"""


class Cluster:
    """A cluster whose only user is `root`, as the tests' usual server has it.

    `folder` is made, and must be one that the user postgres can reach: a server refuses to run as
    root. `more` are lines of its configuration.
    """

    def __init__(self, folder: Path, *, more: str = "", initdb: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        self.server = f"postgresql+psycopg://root@127.0.0.1:{self.port}"
        self._data, self._log = folder / "data", folder / "server.log"
        self.own(folder)
        self._run("initdb", "-U", "root", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", *initdb)
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(SETTINGS.format(port=self.port, more=more))

    def own(self, folder: Path) -> None:
        """Give a folder to the user that the server runs as."""
        shutil.chown(folder, "postgres", "postgres")

    def start(self) -> None:
        """Start it and wait until it takes connections; it recovers first where it must."""
        self._run("pg_ctl", "-w", "-t", "60", "-l", str(self._log), "start")

    def crash(self) -> None:
        """Stop it as a crash would: nothing is finished, all connections end."""
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    @property
    def is_running(self) -> bool:
        """Whether its main process runs."""
        return self._call("pg_ctl", "status").returncode == 0

    def log(self) -> str:
        """Return what it has said."""
        return self._log.read_text(errors="replace")

    def _run(self, program: str, *arguments: str) -> None:
        done = self._call(program, *arguments)
        assert done.returncode == 0, f"{program}: {done.stdout}"

    def _call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Output goes to a file: the server keeps what pg_ctl was given open.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(
                ("runuser", "-u", "postgres", "--", _binary(program), "-D", self._data, *arguments),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                timeout=120,
                check=False,
            )
            said.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, said.read(), "")


def _binary(program: str) -> str:
    found = sorted(Path("/").glob(f"{BINARIES.lstrip('/')}/{program}"))
    if not found or os.geteuid() != 0:
        missing(f"root with PostgreSQL's {program}", "make services")
    return str(found[-1])


@contextmanager
def cluster(more: str = "") -> Iterator[Cluster]:
    """Yield a cluster that has started; ends it and takes it away."""
    with open_folder() as folder:
        own = Cluster(folder, more=more)
        own.start()
        try:
            yield own
        finally:
            if own.is_running:
                own.crash()


@contextmanager
def open_folder() -> Iterator[Path]:
    """Yield a folder whose parents every user may enter; pytest's are for their owner alone."""
    with tempfile.TemporaryDirectory(prefix="kuvert-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
