"""A clock that stands still, and a beat that the test drives by hand."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete

from core import leases
from core.db import unit_of_work
from core.schedules import books, edits, outbox, running, scheduler, services
from core.schedules.ledger import SCHEDULES
from tests.core.schedules.beat import Beat
from tests.core.schedules.support import utc


class Clock:
    """A time that only the test moves."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the time, as core.clock.utcnow does."""
        return self.now

    def monotonic(self) -> float:
        """Return the time in seconds, as time.monotonic does."""
        return self.now.timestamp()

    def go(self, moment: str | datetime) -> None:
        """Set the time."""
        self.now = utc(moment) if isinstance(moment, str) else moment

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Noon of a Monday, for everything that asks for the time."""
    own = Clock(utc("2026-10-19T12:00"))
    for module in (leases, books, edits, outbox, running, scheduler, services):
        monkeypatch.setattr(module, "utcnow", own)
    monkeypatch.setattr(scheduler, "monotonic", own.monotonic)
    return own


@pytest.fixture
def empty(app: Flask, clock: Clock) -> None:
    """A schedule without the built-in entries, on every engine alike."""
    with unit_of_work() as connection:
        connection.execute(delete(SCHEDULES))


@pytest.fixture
def beat(app: Flask, clock: Clock, empty: None) -> Beat:
    """A beat over an empty schedule."""
    return Beat(app, clock)
