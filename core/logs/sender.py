"""The thread that sends log lines to Logstash, and says on the console what goes wrong."""

import logging
import mmap
import struct
import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from time import monotonic

from core import metrics
from core.logs.wire import CONNECT_SECONDS, Wire

CONSOLE_ONLY = "core.logs.console"
"""The logger whose lines Logstash is not sent: they are about itself."""

COMPLAIN_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds between two tries to connect, doubling from the first to the longest."""

GATHER_SECONDS = 0.05
"""How long a line waits for others, so that a busy process wakes up 20 times a second at most."""

_CHUNK = 256 * 1024
_MANY = 200
_ASK_SECONDS, _LOOK_SECONDS = 0.1, 5.0
_PARTING_SECONDS = 0.3

logger = logging.getLogger(__name__)
console = logging.getLogger(CONSOLE_ONLY)

_complained = mmap.mmap(-1, 8)
"""When somebody complained last (monotonic): shared with what is forked from here on."""


def may_complain() -> bool:
    """Tell whether a minute has passed since the last complaint, and begin another one."""
    now = monotonic()
    [last] = struct.unpack("d", _complained[:])
    if last and now - last < COMPLAIN_SECONDS:
        return False
    _complained[:] = struct.pack("d", now)
    return True


class Sender:
    """Takes lines from a queue and writes them to the wire until None comes.

    `sent`, `lost` (left at the end) and `in_hand` count lines; `taken_bytes` is what has left the
    queue. `refused` tells how many lines never got into it.
    """

    def __init__(
        self, wire: Wire, lines: "SimpleQueue[bytes | None]", refused: Callable[[], int]
    ) -> None:
        self.sent = self.lost = self.taken_bytes = 0
        self._wire, self._lines, self._refused = wire, lines, refused
        self._hand: list[bytes] = []
        self._stopping = threading.Event()
        self._pause = FIRST_PAUSE
        self._has_complained = False
        self._reported = self._counted = 0

    @property
    def in_hand(self) -> int:
        """Lines that have left the queue and not yet this process."""
        return len(self._hand)

    @property
    def dropped(self) -> int:
        """Lines that Logstash will not get."""
        return self._refused() + self.lost

    def stop(self) -> None:
        """Ask the thread to send what waits, and to end."""
        self._stopping.set()
        self._lines.put(None)

    def run(self) -> None:
        """Send until told to stop; what nobody foresaw is said, and the work goes on."""
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception:  # noqa: BLE001 - the edge of a loop that must go on
                console.exception("the way to Logstash failed")
                self._stopping.wait(LONGEST_PAUSE)
        self._hand.extend(self._waiting())
        self._deliver()
        self._part()

    def _turn(self) -> None:
        """Wait for lines and send them; look now and then whether there is something to say."""
        try:
            line = self._lines.get(timeout=_ASK_SECONDS if self._wire.is_unsure else _LOOK_SECONDS)
        except Empty:
            self._ask()
            self._report()
            return
        if line is not None:
            self._take(line)
            if self._lines.qsize() < _MANY:
                self._stopping.wait(GATHER_SECONDS)
            self._hand.extend(self._waiting())
            self._deliver()
            self._report()

    def _ask(self) -> None:
        """Ask whether what was written has arrived; send again what a break may have cost."""
        try:
            if self._wire.is_unsure:
                self._wire.settle()
        except OSError as error:
            self._fail(error)
            self._deliver()

    def _take(self, line: bytes) -> None:
        self._hand.append(line)
        self.taken_bytes += len(line)

    def _waiting(self) -> Iterator[bytes]:
        """Yield what is in the queue, up to what is written at once; all of it at the end."""
        room = _CHUNK
        while room > 0 or self._stopping.is_set():
            try:
                line = self._lines.get_nowait()
            except Empty:
                return
            if line is not None:
                self.taken_bytes += len(line)
                room -= len(line)
                yield line

    def _deliver(self) -> None:
        """Write what is in hand, again and again until it is out; at the end only once."""
        while self._hand:
            is_last = self._stopping.is_set()
            try:
                self._write(_PARTING_SECONDS if is_last else CONNECT_SECONDS)
            except (OSError, ValueError) as error:
                self._fail(error)
                if is_last:
                    self._give_up()
                    return
                self._stopping.wait(self._pause)
                self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _write(self, connect_seconds: float) -> None:
        if not self._wire.is_open:
            self._wire.open(connect_seconds)
        self._wire.write(self._hand)
        self.sent += len(self._hand)
        self._hand.clear()
        self._pause = FIRST_PAUSE
        # At the end whoever waits for this thread may hold what the line would need.
        if self._has_complained and not self._stopping.is_set():
            self._has_complained = False
            logger.info("Logstash takes log lines again", extra=self._told())

    def _fail(self, error: Exception) -> None:
        """Take back what may not have arrived, and complain if nobody has for a minute."""
        unsure = self._wire.hang_up()
        self.sent -= len(unsure)
        self._hand[:0] = unsure
        if may_complain():
            self._has_complained = True
            why = {"where": self._wire.where, "error": str(error) or type(error).__name__}
            waiting = len(self._hand) + self._lines.qsize()
            console.warning(
                "Logstash takes no log lines", extra={**why, "waiting": waiting, **self._told()}
            )

    def _give_up(self) -> None:
        self.lost += len(self._hand)
        self._hand.clear()

    def _part(self) -> None:
        """Let the receiver take what is on its way; what it does not take in time is lost."""
        until = monotonic() + _PARTING_SECONDS
        pause = threading.Event()
        try:
            while self._wire.is_open and self._wire.settle() and monotonic() < until:
                pause.wait(0.01)
        except OSError as error:
            self._fail(error)
        else:
            self._hand = self._wire.hang_up()
            self.sent -= len(self._hand)
        self._give_up()

    def _report(self) -> None:
        """Count and say what was dropped, though nothing may be wrong with the receiver."""
        self._count()
        is_new = self.dropped > self._reported and not self._stopping.is_set()
        if is_new and may_complain():
            logger.warning("log lines were dropped", extra=self._told())

    def say_left(self, waiting: int) -> None:
        """Say at the end of a process how many lines Logstash did not get and nobody said."""
        self.lost += waiting + len(self._hand)
        self._count()
        if self.dropped > self._reported:
            level = logging.WARNING if may_complain() else logging.INFO
            console.log(level, "log lines did not reach Logstash", extra=self._told())

    def _count(self) -> None:
        new, self._counted = self.dropped - self._counted, self.dropped
        if new:
            metrics.lines_dropped(new)

    def _told(self) -> dict[str, object]:
        """Return how many lines were dropped since that was said last, and in all."""
        new, self._reported = self.dropped - self._reported, self.dropped
        return {"dropped": new, "dropped_in_all": self._reported}
