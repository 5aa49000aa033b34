"""Keeps child processes running: what `manage.py up` stands on.

One thread waits, with one selector, for output, for signals (also that a child has ended) and
for the next deadline. It must be the main thread: Python handles signals only there, and Linux
sends the signal of PR_SET_PDEATHSIG (core.die_with_parent) when the *thread* that started the
child ends.

Each child leads a session of its own. So the terminal's Ctrl-C reaches the supervisor alone,
which passes it on as SIGTERM, once; and what a child leaves behind can be killed as a group.
"""

import math
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import FrameType
from typing import IO

from core import die_with_parent
from core.child_output import OWN_NAME, OnLine, Printer, Stream
from core.clock import utcnow
from core.settings import child_environment

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 30.0
STEADY_SECONDS = 60.0
# When stopping, each child has this start on the next one, unless it ends sooner.
HEAD_START_SECONDS = 1.0

_INTERRUPTED = 130
_DRAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Child:
    """A process to keep running; `env` is added to the environment of the supervisor."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Status:
    """How a child is: `pid` is None while it waits for its next start.

    `starts` counts them all; `since` is the time of the last one, None before the first.
    """

    pid: int | None
    starts: int
    since: datetime | None


def supervise(
    children: Iterable[Child], *, stop_seconds: float = 30, on_line: OnLine | None = None
) -> int:
    """Run `children` until SIGTERM, SIGHUP (0) or SIGINT (130) and return that exit code.

    `on_line` gets the name of a child and each line of its output, in place of stdout; what
    the supervisor itself has to say comes under the name `up`.
    """
    return Supervisor(children, stop_seconds=stop_seconds, on_line=on_line).run()


@dataclass(eq=False)
class _Run:
    """What is known of one child: its process, or the moment (monotonic) of its next start."""

    child: Child
    start_at: float = 0.0
    process: "subprocess.Popen[bytes] | None" = None
    starts: int = 0
    started: float = 0.0
    since: datetime | None = None
    delay: float = FIRST_DELAY_SECONDS

    def status(self) -> Status:
        process = self.process
        return Status(pid=process.pid if process else None, starts=self.starts, since=self.since)


class Supervisor:
    """Starts children, forwards their output, starts them again, stops them in order."""

    def __init__(
        self,
        children: Iterable[Child],
        *,
        stop_seconds: float = 30,
        on_line: OnLine | None = None,
    ) -> None:
        self._runs = [_Run(child) for child in children]
        self._stop_seconds = stop_seconds
        self._on_line = on_line or Printer(run.child.name for run in self._runs)
        self._selector = selectors.DefaultSelector()
        self._exit_code: int | None = None
        self._to_stop: deque[_Run] = deque()
        self._next_stop_at = math.inf
        self._kill_at = math.inf

    def run(self) -> int:
        """Keep the children running until a signal says stop; return the exit code for it.

        Can be called once, in the main thread. When a line cannot be handed on (stdout is
        closed, `on_line` raises) the children are stopped before that error rises.
        """
        with _signals() as heard, self._selector:
            self._selector.register(heard, selectors.EVENT_READ, lambda: self._hear(heard))
            try:
                self._loop()
                self._drain()
            finally:
                self._on_line = _discard
                self._stop(0)
                self._loop()
                self._close_streams()
        return self._exit_code or 0

    def status(self) -> dict[str, Status]:
        """Return how each child is, by name; may be asked from any thread."""
        return {run.child.name: run.status() for run in self._runs}

    def _loop(self) -> None:
        while self._exit_code is None or any(run.process for run in self._runs):
            for key, _ in self._selector.select(self._patience()):
                key.data()
            for run in self._runs:
                self._reap(run)
            if self._exit_code is None:
                self._start_due()
            else:
                self._stop_due()

    def _patience(self) -> float | None:
        """Return the seconds until something is due by the clock, None when nothing is."""
        if self._exit_code is None:
            moments = [run.start_at for run in self._runs if not run.process]
        else:
            moments = [self._next_stop_at, self._kill_at]
        first = min(moments, default=math.inf)
        return None if first == math.inf else max(0.0, first - time.monotonic())

    def _start_due(self) -> None:
        now = time.monotonic()
        for run in self._runs:
            if run.process is None and run.start_at <= now:
                self._start(run)

    def _start(self, run: _Run) -> None:
        wrapper = [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid())]
        run.process = process = subprocess.Popen(  # noqa: S603 - the command comes from our own code
            [*wrapper, *run.child.argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=child_environment({"PYTHONUNBUFFERED": "1", **run.child.env}),
            start_new_session=True,
        )
        run.starts += 1
        run.started, run.since = time.monotonic(), utcnow()
        if process.stdout:
            self._listen(run.child.name, process.stdout)

    def _reap(self, run: _Run) -> None:
        process = run.process
        if process is None or process.poll() is None:
            return
        # A pool process without its master would go on holding the port, or the work.
        _kill_group(process)
        run.process = None
        now = time.monotonic()
        if self._exit_code is not None:
            self._next_stop_at = now
            return
        delay, run.delay = _delays(run.delay, now - run.started)
        run.start_at = now + delay
        self._say(f"{run.child.name} {_end(process.returncode)}; starts again in {delay:g} s")

    def _hear(self, heard: socket.socket) -> None:
        for number in heard.recv(4096):
            if number == signal.SIGINT and self._exit_code == _INTERRUPTED:
                self._kill_at = 0.0
            elif number == signal.SIGINT:
                self._stop(_INTERRUPTED)
            elif number != signal.SIGCHLD:
                self._stop(0)

    def _stop(self, exit_code: int) -> None:
        """Begin to stop; the first reason counts."""
        if self._exit_code is not None:
            return
        self._exit_code = exit_code
        self._to_stop.extend(reversed(self._runs))
        self._next_stop_at = time.monotonic()
        self._kill_at = time.monotonic() + self._stop_seconds
        self._say("stopping")

    def _stop_due(self) -> None:
        now = time.monotonic()
        while self._to_stop and self._next_stop_at <= now:
            process = self._to_stop.popleft().process
            if process is not None:
                process.send_signal(signal.SIGTERM)
                self._next_stop_at = now + min(HEAD_START_SECONDS, self._stop_seconds / 10)
        if not self._to_stop:
            self._next_stop_at = math.inf
        if self._kill_at <= now:
            self._kill()

    def _kill(self) -> None:
        self._kill_at = math.inf
        for run in self._runs:
            if run.process:
                self._say(f"{run.child.name} does not stop; killed")
                _kill_group(run.process)

    def _say(self, text: str) -> None:
        self._on_line(OWN_NAME, text)

    def _listen(self, name: str, pipe: IO[bytes]) -> None:
        stream = Stream(name, pipe)
        self._selector.register(stream, selectors.EVENT_READ, lambda: self._read(stream))

    def _read(self, stream: Stream) -> None:
        ended, lines = stream.read()
        if ended:
            self._selector.unregister(stream)
            stream.close()
        for line in lines:
            self._on_line(stream.name, line)

    def _drain(self) -> None:
        """Forward what ended children have left in their pipes."""
        until = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < until and (ready := self._selector.select(0)):
            for key, _ in ready:
                key.data()

    def _close_streams(self) -> None:
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, Stream):
                key.fileobj.close()


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """Give a socket that yields the number of each signal that matters here, as a byte."""
    hearing, telling = socket.socketpair()
    with hearing, telling:
        telling.setblocking(False)
        earlier_fd = signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
        numbers = [signal.SIGCHLD, signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup asks to stay
            numbers.append(signal.SIGHUP)
        earlier = {number: signal.signal(number, _note) for number in numbers}
        try:
            yield hearing
        finally:
            signal.set_wakeup_fd(earlier_fd)
            for number, handler in earlier.items():
                signal.signal(number, handler)


def _note(number: int, frame: FrameType | None) -> None:
    """Do nothing: that there is a handler makes Python write the number to the socket."""


def _discard(name: str, line: str) -> None:
    """Take a line that nobody can be given any more."""


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    # macOS answers EPERM for a group in which only ended processes are left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _delays(delay: float, up_seconds: float) -> tuple[float, float]:
    """Return the wait before the next start, and the one to begin with after that."""
    now = FIRST_DELAY_SECONDS if up_seconds >= STEADY_SECONDS else delay
    return now, min(now * 2, LONGEST_DELAY_SECONDS)


def _end(return_code: int) -> str:
    if return_code >= 0:
        return f"ended (exit {return_code})"
    return f"was ended by {signal.strsignal(-return_code) or 'a signal'} ({-return_code})"
