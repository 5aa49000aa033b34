"""What Kuvert counts and times, for Prometheus.

A process that does the work (web, worker, its children, beat) calls `begin`; then what the
functions here are told goes into files of its own in KUVERT_HOME (core.metrics.store), which
whoever serves `/metrics` adds up. Without `begin` they do nothing, as in commands. What the
database and the broker know is asked when somebody reads (core.metrics.scrape).

Labels are words of Kuvert's own or of its configuration, never ids or what a caller sent.
"""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.metrics.meters import Meters

logger = logging.getLogger(__name__)

FOLDER = "metrics"

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Here:
    """Where this process writes; `meters` None: it has had nothing to say yet."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.meters: Meters | None = None
        self.lock = threading.Lock()


_here = _Here()


def begin(home: Path) -> None:
    """Have this process, and what it forks, write down what it is told."""
    _replace(home / FOLDER)


def end() -> None:
    """Write nothing more; what is written stays."""
    _replace(None)


def _replace(folder: Path | None) -> None:
    global _here
    before, _here = _here, _Here(folder)
    if before.meters is not None:
        before.meters.close()


def request(method: str, route: str, status: int, seconds: float) -> None:
    """Note a request that was answered; `route` is the pattern, not the path."""
    known = method if method in METHODS else "other"
    _tell(lambda meters: meters.requests.labels(known, route, status).observe(seconds))


def task(name: str, outcome: str, seconds: float) -> None:
    """Note a task that has ended."""
    _tell(lambda meters: meters.tasks.labels(name, outcome).observe(seconds))


def attempt(provider: str, outcome: str, seconds: float) -> None:
    """Note how long a provider took to take an invoice, or not to."""
    _tell(lambda meters: meters.attempts.labels(provider, outcome).observe(seconds))


def push(outcome: str, seconds: float) -> None:
    """Note how long a subscriber took to take a push, or not to."""
    _tell(lambda meters: meters.pushes.labels(outcome).observe(seconds))


def lines_dropped(count: int) -> None:
    """Note log lines that Logstash will not get."""
    _tell(lambda meters: meters.dropped.inc(count))


def message_without_work(task: str) -> None:
    """Note a message that names a row which is not there, or not due."""
    _tell(lambda meters: meters.without_work.labels(task).inc())


def _tell(note: "Callable[[Meters], None]") -> None:
    """Write something down; that it cannot be written is no reason for anything else to fail."""
    here = _here
    if here.folder is None:
        return
    try:
        note(here.meters or _open(here, here.folder))
    except OSError as error:
        end()
        logger.warning("nothing is counted any more", extra={"error": str(error)})


def _open(here: _Here, folder: Path) -> "Meters":
    """Open this process's files at the first thing it has to say."""
    from core.metrics.meters import Meters

    with here.lock:
        if here.meters is None:
            here.meters = Meters(folder)
        return here.meters


def _begin_in_child() -> None:
    """Begin anew after a fork: files and locks are the parent's."""
    _replace(_here.folder)


os.register_at_fork(after_in_child=_begin_in_child)
