"""A supervisor in a process of its own, with small Python programs as children."""

import json
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, signal, sys
from core.supervisor import Child, supervise
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
spec = json.loads(sys.argv[1])
children = [Child(name, [sys.executable, "-c", code]) for name, code in spec["children"].items()]
sys.exit(supervise(children, stop_seconds=spec["stop_seconds"]))
"""


class Up:
    """A supervisor in a process of its own, as leader of a group, as a shell would start it."""

    def __init__(self, children: dict[str, str], stop_seconds: float) -> None:
        spec = json.dumps({"children": children, "stop_seconds": stop_seconds})
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, spec],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            text=True,
            process_group=0,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as stream:
            for line in stream:
                self._lines.put(line.rstrip("\n"))

    def line(self, pattern: str) -> str:
        """Return the next line with `pattern`, or its first group."""
        while True:
            line = self._lines.get(timeout=15)
            if match := re.search(pattern, line):
                return match[1] if match.re.groups else line

    def pid(self, name: str) -> int:
        return int(self.line(rf"{name} +\| pid (\d+)"))

    def rest(self) -> list[str]:
        self._reader.join(15)
        return [self._lines.get_nowait() for _ in range(self._lines.qsize())]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(15)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(15)
        self._reader.join(15)


@contextmanager
def up(stop_seconds: float = 10, **children: str) -> Iterator[Up]:
    running = Up(children, stop_seconds)
    try:
        yield running
    finally:
        running.close()


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def soon(is_true: Callable[[], bool], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not is_true() and time.monotonic() < until:
        time.sleep(0.02)
    return is_true()
