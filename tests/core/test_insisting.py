"""Work that the database did not let through is done again."""

import pytest
from flask import Flask
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from core.clock import utcnow
from core.db import insist, reading
from core.models import Lease

LEASES = Lease.__table__


class Flaky:
    """Writes a row, and fails after that as often as it is told to."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def __call__(self, connection: Connection) -> str:
        now = utcnow()
        row = {"name": "try", "holder": None, "token": len(self.errors), "since": now, "until": now}
        connection.execute(insert(LEASES).values(row))
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def deadlock() -> OperationalError:
    return OperationalError("UPDATE", {}, Exception(1213, "Deadlock found"))


def tokens() -> list[int]:
    with reading() as connection:
        return list(connection.scalars(select(LEASES.c.token)))


def test_a_deadlock_is_answered_by_a_second_try(app: Flask) -> None:
    done = insist(Flaky(deadlock(), deadlock()), waits=(0, 0))

    assert done == "done"
    assert tokens() == [0]


def test_the_last_error_rises(app: Flask) -> None:
    with pytest.raises(OperationalError):
        insist(Flaky(deadlock(), deadlock()), waits=(0,))

    assert tokens() == []


def test_what_would_fail_again_is_not_tried_again(app: Flask) -> None:
    work = Flaky(IntegrityError("INSERT", {}, Exception("twice")), deadlock())

    with pytest.raises(IntegrityError):
        insist(work, waits=(0, 0))

    assert len(work.errors) == 1
