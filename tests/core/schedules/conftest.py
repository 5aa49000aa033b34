"""A clock that stands still, and a beat that the test drives by hand."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import ColumnElement, cast, delete, literal

from core.database.mysql import MysqlDatabase
from core.database.postgresql import PostgresqlDatabase
from core.database.sqlite import SqliteDatabase
from core.db import unit_of_work
from core.schedules import lead, scheduler
from core.schedules.rows import SCHEDULES
from core.types import UtcDateTime
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

    def in_statement(self) -> ColumnElement[datetime]:
        """Return the time, as Database.clock does."""
        return literal(self.now, UtcDateTime())

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
    for engine in (PostgresqlDatabase, SqliteDatabase):
        monkeypatch.setattr(engine, "clock", lambda _database: own.in_statement())
    # MySQL would give a plain value back as text.
    typed = lambda _database: cast(own.in_statement(), UtcDateTime())  # noqa: E731
    monkeypatch.setattr(MysqlDatabase, "clock", typed)
    monkeypatch.setattr(scheduler, "utcnow", own)
    for module in (lead, scheduler):
        monkeypatch.setattr(module, "monotonic", own.monotonic)
    # Nobody renews a lease behind the test's back.
    monkeypatch.setattr(lead.Lead, "_keep", lambda _self: None)
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
