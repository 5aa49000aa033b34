"""A systemd that runs: a Debian of the test's own, booted by systemd-nspawn."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.data import missing
from tests.support.processes import wait_until

BOOT_SECONDS = 60
ENVIRON = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")


class Machine:
    """What was booted. It shares the network of this one."""

    def __init__(self, root: Path, pid: int) -> None:
        self.root = root
        self.pid = pid

    def run(self, *command: str, seconds: float = 900) -> tuple[int, str]:
        """Run a command in it to its end; returns exit code and what it said."""
        inside = ("nsenter", "-t", str(self.pid), "-a", "env", "-i", *ENVIRON, *command)
        done: subprocess.CompletedProcess[str] = subprocess.run(
            inside,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        return done.returncode, done.stdout

    def do(self, *command: str) -> str:
        """Run a command that must end well; returns what it said."""
        code, said = self.run(*command)
        assert code == 0, said
        return said.strip()


@contextmanager
def booted(root: Path) -> Iterator[Machine]:
    """Boot the systemd of a root folder; end it afterwards."""
    if os.geteuid() != 0 or shutil.which("systemd-nspawn") is None:
        missing("root with systemd-nspawn", "as root: apt-get install systemd-container")
    process = subprocess.Popen(
        (
            *("systemd-nspawn", "-q", "-D", str(root), "--register=no", "--keep-unit"),
            *("--console=pipe", "/lib/systemd/systemd"),
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _first_of(process.pid), BOOT_SECONDS, "systemd is the first process")
        machine = Machine(root, _first_of(process.pid))
        try:
            up = "systemctl", "is-system-running"
            wait_until(
                lambda: machine.run(*up)[1].strip() in {"running", "degraded"}, BOOT_SECONDS, "up"
            )
            yield machine
        finally:
            os.kill(machine.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait(10)


def _first_of(nspawn: int) -> int:
    """Return the process that is the machine's first, once it is systemd; 0 before."""
    for pid in _children(nspawn):
        if (Path("/proc") / str(pid) / "comm").read_text().strip() == "systemd":
            return pid
    return 0


def _children(pid: int) -> list[int]:
    path = Path("/proc") / str(pid) / "task" / str(pid) / "children"
    return [int(one) for one in path.read_text().split()]
