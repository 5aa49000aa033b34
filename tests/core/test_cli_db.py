"""`manage.py db`, as people type it."""

from pathlib import Path

import pytest

from core.database import Database
from tests.support.command import Manage


@pytest.fixture
def manage(tmp_path: Path) -> Manage:
    command = Manage(tmp_path, {})
    assert command("db", "upgrade").returncode == 0
    return command


def test_a_fresh_database_agrees_with_the_code(manage: Manage) -> None:
    done = manage("db", "check")

    assert done.returncode == 0, done.stderr
    assert "agrees with the code" in done.stdout


def test_a_table_that_is_gone_is_named(manage: Manage) -> None:
    database = Database(f"sqlite:///{manage.home / 'kuvert.db'}")
    with database.single() as connection:
        connection.exec_driver_sql("DROP TABLE push_attempts")
    database.close()

    assert "push_attempts" in manage.refusal("db", "check")


def test_a_database_that_is_behind_is_said_so(manage: Manage) -> None:
    assert manage("db", "downgrade", "base", "--yes").returncode == 0

    assert "the database is at nothing, the code knows" in manage.refusal("db", "check")
    assert manage("db", "current").stdout == "empty\n"
