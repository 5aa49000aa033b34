"""The unit files as they are, and a service manager that starts what they name."""

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.data import ROOT

SYSTEMD = ROOT / "deploy" / "systemd"
PYTHON = "/opt/kuvert/.venv/bin/python"
HANDED_OVER = """
import os, sys
listening = int(sys.argv[1])
os.dup2(listening, 3, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""
"""What systemd does between fork and exec: the listening socket becomes descriptor 3."""


def values(name: str) -> dict[str, list[str]]:
    """Return the settings of a unit; one that is given more than once has more values."""
    found: dict[str, list[str]] = {}
    for line in (SYSTEMD / name).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def command(name: str, instance: str = "") -> list[str]:
    """Return the `ExecStart=` of a unit, with the Python that runs the tests."""
    [line] = values(name)["ExecStart"]
    program, *arguments = shlex.split(line.replace("%i", instance))
    assert program == PYTHON
    return [sys.executable, *arguments]


class Service:
    """One service under an emulated manager: a notify socket, and maybe sockets that listen."""

    def __init__(
        self,
        name: str,
        folder: Path,
        environ: Mapping[str, str],
        instance: str = "",
        more: Sequence[str] = (),
    ) -> None:
        self.name = f"{name}{instance}"
        self.words: list[str] = []
        self._command = [*command(f"{name}.service", instance), *more]
        self._address = folder / f"{self.name}.notify"
        self._log = folder / f"{self.name}.log"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(self._address))
        self._notify.setblocking(False)
        self._environ = {**environ, "NOTIFY_SOCKET": str(self._address)}

    def start(self, listening: socket.socket | None = None) -> None:
        """Start its command, again if it has ended."""
        self.words.clear()
        handed = [] if listening is None else [listening.fileno()]
        prefix = [sys.executable, "-c", HANDED_OVER, *map(str, handed)] if handed else []
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, *self._command],
                env=self._environ,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=handed,
                process_group=0,
            )

    def told(self) -> list[str]:
        """Return all assignments that it has sent since it was started."""
        while True:
            try:
                datagram = self._notify.recv(4096)
            except BlockingIOError:
                return self.words
            self.words += datagram.decode().splitlines()

    def is_ready(self) -> bool:
        """Whether it has said so."""
        return "READY=1" in self.told()

    def status(self) -> str:
        """Return what `systemctl status` would show."""
        found = [word for word in self.told() if word.startswith("STATUS=")]
        return found[-1].removeprefix("STATUS=") if found else ""

    def output(self) -> str:
        """Return all that it has said on its standard error."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self._notify.close()


def run(*arguments: str, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a program of this machine; return its exit code and what it said."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        arguments,
        env={**os.environ, **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def all_units() -> Sequence[Path]:
    """Return every unit file."""
    return sorted(SYSTEMD.iterdir())
