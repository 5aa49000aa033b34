"""Processes that a benchmark starts, and what they weigh."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 15.0
_TICK_SECONDS = 0.05

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


class Process:
    """One started command with its own process group; its output goes to a file."""

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                arguments,
                cwd=ROOT,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Return the id of the first process of the group."""
        return self._popen.pid

    def stop(self) -> None:
        """Ask it to end; whatever is left of its group after that is killed."""
        self._popen.terminate()
        try:
            self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()

    def expect(self, is_there: bool) -> None:
        """Fail with the end of the output when it has ended."""
        if self._popen.poll() is not None or not is_there:
            tail = self.log.read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"{self.log.name} did not start:\n{tail}")

    def wait_for_port(self, port: int) -> None:
        """Return when something listens there."""
        end = time.monotonic() + START_SECONDS
        while not _listens(port):
            self.expect(time.monotonic() < end)
            pause()

    def wait_for_line(self, text: str) -> None:
        """Return when the output holds `text`."""
        end = time.monotonic() + START_SECONDS
        while text not in self.log.read_text("utf-8", "replace"):
            self.expect(time.monotonic() < end)
            pause()


def pause(seconds: float = _TICK_SECONDS) -> None:
    """Wait a moment."""
    time.sleep(seconds)


def wait_until(is_done: Callable[[], bool], seconds: float = 60.0) -> None:
    """Return when `is_done`.

    Raises:
        RuntimeError: it was not within so many seconds.
    """
    end = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > end:
            raise RuntimeError(f"still not done after {seconds:.0f} s")
        pause(0.02)


def free_port() -> int:
    """Return a port of the loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def children(pid: int) -> list[int]:
    """Return the processes that `pid` has started itself."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(child) for child in listed.split()]


def pss_megabytes(pids: Iterable[int]) -> float:
    """Return the largest proportional share of memory among `pids`, in MB."""
    return max(_pss(Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")) for pid in pids)


def peak_megabytes(pids: Iterable[int]) -> float:
    """Return the most that one of `pids` has ever held, in MB."""
    return max(_peak(Path(f"/proc/{pid}/status").read_text("ascii")) for pid in pids)


def _peak(status: str) -> float:
    found = _PEAK.search(status)
    if found is None:
        raise RuntimeError("the kernel does not say how much memory a process has had")
    return int(found[1]) / 1024


def busy_seconds(pids: Iterable[int]) -> float:
    """Return the seconds that `pids` together have been on a processor."""
    files = [Path(f"/proc/{pid}/stat").read_text("utf-8") for pid in pids]
    # After the name in brackets; proc(5) counts utime and stime as fields 14 and 15.
    ticks = sum(int(ticks) for text in files for ticks in text.rpartition(")")[2].split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def _pss(rollup: str) -> float:
    found = _PSS.search(rollup)
    if found is None:
        raise RuntimeError("the kernel does not say how much memory a process has")
    return int(found[1]) / 1024


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
