"""What was found lately: a page that is loaded again and again looks only now and then."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Flask

from core.clock import utcnow
from core.doctor.examining import Line, examine

KEPT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Found:
    """The lines of one examination, and when it ended."""

    lines: Sequence[Line]
    at: datetime


class _Keeper:
    """Keeps what was found in one process; of several who ask at once, one examines."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.found: Found | None = None


def findings(app: Flask) -> Found:
    """Return what was found within the last half minute, or else examine everything now."""
    keeper: _Keeper = app.extensions.setdefault("kuvert_doctor", _Keeper())
    with keeper.lock:
        found = keeper.found
        if found is None or utcnow() - found.at > KEPT:
            found = keeper.found = Found(examine(app), utcnow())
        return found
