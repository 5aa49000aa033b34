"""A real supervisord over `deploy/supervisor/kuvert.conf`: without root, in its own folders."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.deploy.units import PYTHON, run
from tests.support.data import ROOT, missing
from tests.support.processes import wait_until

CONF = ROOT / "deploy" / "supervisor" / "kuvert.conf"
HEAD = """
[unix_http_server]
file={folder}/s.sock
[supervisord]
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}
nodaemon=true
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/s.sock
"""


class Supervisor:
    """It, and what `supervisorctl` says to it; our programs listen on `port`."""

    def __init__(self, folder: Path, environ: Mapping[str, str], port: int) -> None:
        if shutil.which("supervisord") is None:
            missing("supervisord", "make services")
        self.folder = folder
        self._conf = folder / "supervisord.conf"
        self._conf.write_text(HEAD.format(folder=folder) + _ours(folder, port))
        self._process = subprocess.Popen(
            ["supervisord", "-c", str(self._conf)],
            env={**environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        wait_until((folder / "s.sock").exists, 30, "supervisord listens")

    def control(self, *arguments: str) -> str:
        """Say something to it and return the answer."""
        _, said = run("supervisorctl", "-c", str(self._conf), *arguments)
        return said

    def states(self) -> dict[str, str]:
        """Return the state of each program of the group."""
        lines = (line.split() for line in self.control("status", "kuvert:*").splitlines())
        return {line[0].removeprefix("kuvert:"): line[1] for line in lines if len(line) > 1}

    def pid(self, program: str) -> int:
        """Return the process of a program; 0 while there is none."""
        answer = self.control("pid", f"kuvert:{program}").strip()
        return int(answer) if answer.isdigit() else 0

    def wait_for(self, state: str, seconds: float) -> None:
        """Wait until every program is in a state."""
        wait_until(lambda: set(self.states().values()) == {state}, seconds, f"all are {state}")

    def output(self) -> str:
        """Return what all programs have said."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        """End it and what it has started."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)


def _ours(folder: Path, port: int) -> str:
    """Return our file with the folders, the port and the Python of the test, and no other user."""
    text = CONF.read_text().replace(PYTHON, sys.executable).replace("user=kuvert\n", "")
    text = text.replace("/var/log/kuvert", str(folder)).replace("=/opt/kuvert", f"={ROOT}")
    return text.replace("127.0.0.1:8000", f"127.0.0.1:{port}")


def kill(pid: int) -> None:
    """Kill a process and see that it is gone."""
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
