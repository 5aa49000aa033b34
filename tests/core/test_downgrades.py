"""Taking a database back that has something of everything in it: it works, and says what goes."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import column, func, inspect, select, table

from core import migrations
from core.database import Database
from tests.support.command import Manage, run
from tests.support.databases import ENGINES, new_database
from tests.support.environment import ENVIRON
from tests.support.provider import SECRET

REVISIONS = [one.revision for one in migrations.waiting(None)]
TIMERS = {"schedules", "schedule_runs"}
"""Timers go with what they started; an upgrade enters them anew."""

MAILS = ("0005", "callbacks")
"""Mails go with what could read them; they are still in the mailbox."""

BY_ENGINE = [
    pytest.param(name, marks=[] if name == "sqlite" else pytest.mark.storm) for name in ENGINES
]


@pytest.fixture
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with rows in (nearly) every table."""
    with new_database(request.param, tmp_path) as (url, _):
        plain = {
            name: value for name, value in os.environ.items() if not name.startswith("KUVERT_")
        }
        own = {"KUVERT_HOME": str(tmp_path), "KUVERT_DATABASE_URL": url}
        environ = {**plain, **ENVIRON, **own, "TEST_CALLBACK_SECRET": SECRET}
        done = run([], environ, module="tests.support.full_desk", stdin=json.dumps(["a word"]))
        assert done.returncode == 0, done.stderr
        database = Database(url)
        yield database
        database.close()


def counts(database: Database) -> dict[str, int]:
    """Count the rows of each table, and of each column those that have a value."""
    found = {}
    with database.single() as connection:
        for (_, name), columns in inspect(database.engine).get_multi_columns().items():
            each = [func.count(column(one["name"])) for one in columns]
            row = connection.execute(select(func.count(), *each).select_from(table(name))).one()
            found[name] = int(row[0])
            for one, count in zip(columns, row[1:], strict=True):
                found[f"{name}.{one['name']}"] = int(count)
    return found


@pytest.mark.parametrize("filled", BY_ENGINE, indirect=True)
def test_step_by_step_only_that_goes_which_was_said(filled: Database) -> None:
    for revision in REVISIONS[-2::-1]:
        before, said = counts(filled), migrations.losses(filled, revision)

        # What retention has emptied keeps a database from going back; nothing is emptied here.
        migrations.downgrade(filled, revision)

        after = counts(filled)
        named = {line.partition(":")[0]: int(line.split()[1]) for line in said}
        gone = {what: count for what, count in before.items() if count and what not in after}
        tables = {what for what in gone if "." not in what}
        expected = {what: n for what, n in gone.items() if what.partition(".")[0] not in tables}
        assert named == expected | {what: gone[what] for what in tables}
        kept = {what for what in after if what in before} - _told_otherwise(revision, after)
        assert {what: after[what] for what in kept} == {what: before[what] for what in kept}

    migrations.upgrade(filled)
    with filled.single() as connection:
        assert migrations.current(connection) == migrations.head()
        assert migrations.differences(connection) == []


def _told_otherwise(revision: str, names: dict[str, int]) -> set[str]:
    """Return what loses rows with its table: timers, mails."""
    tables = TIMERS | ({MAILS[1]} if revision == MAILS[0] else set()) | {"alembic_version"}
    return {name for name in names if name.partition(".")[0] in tables}


@pytest.mark.parametrize("filled", ["sqlite"], indirect=True)
def test_the_command_says_what_goes_and_asks(filled: Database, tmp_path: Path) -> None:
    url = f"sqlite:///{filled.url.database}"
    manage = Manage(tmp_path, {"KUVERT_DATABASE_URL": url, **ENVIRON})

    asked = manage("db", "downgrade", "0016")

    assert asked.returncode == 1
    assert re.search(r"^goes: report_mails: \d+ rows$", asked.stderr, re.MULTILINE)
    assert "what is listed goes for good" in asked.stdout + asked.stderr
    with filled.single() as connection:
        assert migrations.current(connection) == migrations.head()

    done = manage("db", "downgrade", "0016", "--yes")

    assert done.returncode == 0, done.stderr
    assert re.search(r"^goes: report_mails: \d+ rows$", done.stderr, re.MULTILINE)
    assert "the database is at 0016" in done.stdout
