"""Bells: after a commit that made work due, tell the pump to look now.

One background thread per process publishes, at most a few times a second and never in the way of
the request that rang. When the broker is away the bell is dropped: beat's watch and the timers
ring again, and the work is a row that waits.
"""

import logging
import os
import threading
from time import monotonic

from celery import current_app

from core.broker import BROKER_ERRORS
from core.db import after_commit
from core.queues import TaskName

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.1
"""The shortest time between two rings of one process."""

COMPLAIN_SECONDS = 60.0


class Bell:
    """Collects which pumps to wake and wakes them from its own thread."""

    def __init__(self) -> None:
        self._forget()
        # A thread does not survive a fork; the child starts with an empty bell of its own.
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._wanted: set[TaskName] = set()
        self._lock = threading.Lock()
        self._rung = threading.Event()
        self._thread: threading.Thread | None = None
        self._complained = -COMPLAIN_SECONDS

    def ring(self, pump: TaskName) -> None:
        """Ask for one run of `pump`; returns at once."""
        with self._lock:
            self._wanted.add(pump)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bell", daemon=True)
                self._thread.start()
        self._rung.set()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._rung.wait()
            self._rung.clear()
            with self._lock:
                wanted, self._wanted = self._wanted, set()
            for pump in wanted:
                self._publish(pump)
            pause.wait(PAUSE_SECONDS)

    def _publish(self, pump: TaskName) -> None:
        try:
            current_app.send_task(str(pump))
        except BROKER_ERRORS as error:
            if monotonic() - self._complained > COMPLAIN_SECONDS:
                self._complained = monotonic()
                logger.warning(
                    "broker away, the timer will ring instead",
                    extra={"task": str(pump), "error": str(error) or type(error).__name__},
                )
        except Exception:
            # The thread must outlive whatever a message meets; the timer rings all the same.
            logger.exception("bell not rung", extra={"task": str(pump)})


bell = Bell()


class _Ring:
    """One pump's bell as an after-commit job; equal for the same pump."""

    def __init__(self, pump: TaskName) -> None:
        self.pump = pump

    def __call__(self) -> None:
        bell.ring(self.pump)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Ring) and other.pump == self.pump

    def __hash__(self) -> int:
        return hash(self.pump)


def ring_after_commit(pump: TaskName) -> None:
    """Wake `pump` once the current unit of work has committed."""
    after_commit(_Ring(pump))
