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


@pytest.mark.parametrize("verb", [("upgrade",), ("downgrade", "base", "--yes")])
def test_a_database_of_a_newer_kuvert_is_left_alone(manage: Manage, verb: tuple[str, ...]) -> None:
    """L08."""
    database = Database(f"sqlite:///{manage.home / 'kuvert.db'}")
    with database.single() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()

    assert "the database is at 9999, the code knows" in manage.refusal("db", *verb)


def test_a_revision_that_is_not_there_is_refused(manage: Manage) -> None:
    assert "7777" in manage.refusal("db", "downgrade", "7777", "--yes")
