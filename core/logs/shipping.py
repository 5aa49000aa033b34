"""Handing log lines to Logstash without ever waiting for it.

Whoever logs puts a line into a queue with a limit, or counts it as dropped; a thread of each
process sends. What goes wrong is said on the console, once a minute at most for a process and
what it has forked.
"""

import logging
import os
import threading
from dataclasses import dataclass
from queue import SimpleQueue
from weakref import WeakSet

from core.logs.sender import CONSOLE_ONLY, Sender
from core.logs.wire import Wire

CAPACITY = 10_000
"""Lines that may wait."""

CAPACITY_BYTES = 16 * 1024 * 1024

STOP_SECONDS = 1.0
"""How long a process that ends waits for its last lines to leave."""

_shippers: "WeakSet[Shipper]" = WeakSet()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of the lines of this process since it began.

    `dropped` found the queue full or were left at the end; `is_connected`: somebody takes them.
    """

    sent: int
    dropped: int
    waiting: int
    is_connected: bool


class Shipper(logging.Handler):
    """The handler: makes the line in the caller's thread and leaves it to the sender's."""

    def __init__(
        self,
        url: str,
        wire: Wire,
        *,
        capacity: int = CAPACITY,
        capacity_bytes: int = CAPACITY_BYTES,
    ) -> None:
        # The wire is a handler too, and Python closes the youngest first.
        super().__init__()
        self.url = url
        self._wire = wire
        self._capacity, self._capacity_bytes = capacity, capacity_bytes
        self._begin()
        _shippers.add(self)

    def _begin(self) -> None:
        """Begin with nothing: what waits in the parent of a fork is the parent's to send."""
        self._wire.forget()
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._put_bytes = self._refused = 0
        self._sender = Sender(self._wire, self._lines, lambda: self._refused)
        self._thread: threading.Thread | None = None
        self.is_closed = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave out what only the console is told."""
        return record.name != CONSOLE_ONLY and bool(super().filter(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line; a full queue drops it and counts."""
        try:
            line = self._wire.makePickle(record)
            if self._has_room(len(line)):
                self._put_bytes += len(line)
                self._lines.put(line)
            else:
                self._refused += 1
            if self._thread is None and not self.is_closed:
                self._thread = self._start()
        except Exception:  # noqa: BLE001 - a line is no reason for anything to fail
            self._refused += 1

    def _has_room(self, size: int) -> bool:
        waiting = self._put_bytes - self._sender.taken_bytes
        is_small = self._lines.qsize() < self._capacity and waiting + size <= self._capacity_bytes
        return is_small and not self.is_closed

    def _start(self) -> threading.Thread:
        thread = threading.Thread(target=self._sender.run, name="logstash", daemon=True)
        thread.start()
        return thread

    def counts(self) -> Counts:
        """Return what became of this process's lines."""
        sender = self._sender
        return Counts(
            sent=sender.sent,
            dropped=sender.dropped,
            waiting=self._lines.qsize() + sender.in_hand,
            is_connected=self._wire.is_open,
        )

    def close(self) -> None:
        """Send what waits, for a second at most, and end; what is logged later is dropped."""
        self.is_closed = True
        thread, self._thread = self._thread, None
        if thread is not None:
            self._sender.stop()
            thread.join(STOP_SECONDS)
            # A sender that hangs is left to die with the process.
            self._sender.say_left(self._lines.qsize())
        super().close()


def _begin_in_child() -> None:
    """Begin anew after a fork: there are no threads here, and the connection is the parent's."""
    for shipper in list(_shippers):
        shipper._begin()  # noqa: SLF001 - the class is ours


os.register_at_fork(after_in_child=_begin_in_child)
