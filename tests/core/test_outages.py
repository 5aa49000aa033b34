"""What the engines say when a disk is full or they are away."""

import errno
import sqlite3

import psycopg
import pymysql
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core.outages import Outage, outage


def of(orig: Exception) -> OperationalError:
    return OperationalError("SELECT 1", None, orig)


@pytest.mark.parametrize(
    "error",
    [
        of(psycopg.errors.DiskFull("could not extend file")),
        of(pymysql.err.OperationalError(1021, "Disk full")),
        of(pymysql.err.OperationalError(1114, "The table is full")),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_a_full_disk_is_told_apart(error: Exception) -> None:
    assert outage(error) is Outage.FULL


def test_a_full_sqlite_file_is_told_apart() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("PRAGMA max_page_count = 2"))
        connection.execute(text("CREATE TABLE t (a TEXT)"))
        with pytest.raises(DBAPIError) as caught:
            connection.execute(text("INSERT INTO t VALUES (:a)"), {"a": "x" * 100_000})
    engine.dispose()

    assert outage(caught.value) is Outage.FULL


@pytest.mark.parametrize(
    "error",
    [
        of(sqlite3.OperationalError("database is locked")),
        of(psycopg.OperationalError("connection refused")),
        of(pymysql.err.OperationalError(2006, "server has gone away")),
        PoolTimeoutError("QueuePool limit"),
    ],
)
def test_a_database_that_does_not_answer_is_away(error: Exception) -> None:
    assert outage(error) is Outage.AWAY


def test_a_broken_rule_of_the_database_is_no_outage() -> None:
    assert outage(IntegrityError("INSERT", None, Exception("unique"))) is None


def test_a_bug_is_no_outage() -> None:
    assert outage(ValueError("x")) is None
    assert outage(OSError(errno.ENOENT, "no such file")) is None
