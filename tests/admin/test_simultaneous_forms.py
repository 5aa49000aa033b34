"""Forms that are sent at the same moment (P9): one is saved, the other shows both versions.

tests/core/test_simultaneous_edits.py has the same for the services, with more kinds of rows.
"""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Connection, Row, Table
from werkzeug.test import TestResponse

from core import pace
from core.clock import utcnow
from core.db import db, insist, unit_of_work
from core.editing import By
from core.queues import TaskName
from core.schedules import edits as schedules
from core.schedules.rows import SCHEDULES
from invoices.channels import Result
from invoices.models import Outcome
from invoices.services import outcomes
from invoices.setup import PROVIDERS, SOURCES
from tests.admin.conftest import LogIn, Person
from tests.admin.markup import fields_of, page_of
from tests.support import desk
from tests.support.factories import SourceWithKey

pytestmark = pytest.mark.pages

FEW, MANY = 25, 1000
OFTEN = 5
"""A task writes this often while two people save once."""

Fields = dict[str, str]


@dataclass(frozen=True)
class Kind:
    """A kind of row, and the field of its form that two people write."""

    endpoint: str
    table: Table
    field: str
    value: Callable[[str], str]

    def row(self) -> Row[tuple[object, ...]]:
        """Return the newest row."""
        return desk.rows(self.table)[-1]


KINDS = {
    "source": Kind("source", SOURCES, "name", "name {}".format),
    "provider": Kind("provider", PROVIDERS, "url", "http://127.0.0.1:9/{}".format),
    "schedule": Kind("schedule", SCHEDULES, "description", "text {}".format),
}


@pytest.fixture
def pool(app: Flask) -> Iterator[ThreadPoolExecutor]:
    """People and tasks that act at the same moment."""
    with ThreadPoolExecutor(3) as threads:
        yield threads


@pytest.fixture
def people(person: LogIn) -> list[Person]:
    """Two admins, each with a browser."""
    return [person("admin", name=name) for name in ("anna", "bert")]


@pytest.fixture
def rows(source: SourceWithKey) -> None:
    """One row of each kind; the newest schedule is ours."""
    values = {"task": TaskName.GET_TOTAL_INVOICES, "every_seconds": 3600}
    with unit_of_work() as connection:
        schedules.add(connection, "ours", values, By("carl"))


def at_once(pool: ThreadPoolExecutor, *jobs: Callable[[], object]) -> list[object]:
    """Do all at the same moment; return what each gave back."""
    start = threading.Barrier(len(jobs))

    def do(job: Callable[[], object]) -> object:
        start.wait()
        return job()

    return list(pool.map(do, jobs))


def filled(kind: Kind, somebody: Person, key: UUID, text: str) -> tuple[str, Fields]:
    """Open the form, write into its field, and return what pressing the button sends."""
    path = f"/admin/{kind.endpoint}/edit/?id={key}"
    return path, fields_of(somebody.text(path), "form") | {kind.field: kind.value(text)}


def alerts(html: str) -> list[str]:
    """Return what a page says went wrong."""
    found = page_of(html).xpath("//*[contains(@class, 'alert') or contains(@class, 'wrong')]")
    return [" ".join(one.text_content().split()) for one in found]


def check_pair(
    kind: Kind, before: Row[tuple[object, ...]], sent: list[str], answers: list[TestResponse]
) -> None:
    """Exactly one was saved; the other's page names who, when, and both versions."""
    after = kind.row()
    won = [answer.status_code == 302 for answer in answers]
    assert sorted(won) == [False, True], [alerts(answer.text) for answer in answers]
    winner, loser = won.index(True), won.index(False)
    assert getattr(after, kind.field) == sent[winner]
    assert after.version == before.version + 1
    who = ("anna", "bert")[winner]
    page = answers[loser].text
    assert "Somebody else has changed this" in page
    assert re.search(rf"changed by {who}@example\.com at \d{{4}}-\d\d-\d\d \d\d:\d\d", page)
    assert f"<td>{sent[winner]}</td><td>{sent[loser]}</td>" in page


def save_in_pairs(
    pool: ThreadPoolExecutor,
    kind: Kind,
    people: list[Person],
    count: int,
    *others: Callable[[int], object],
) -> None:
    """Have two people save the form of one row at once, `count` times."""
    for number in range(count):
        before = kind.row()
        forms = [
            filled(kind, somebody, UUID(str(before.id)), f"{number}-of-{somebody.email[:4]}")
            for somebody in people
        ]
        saves = [
            partial(somebody.client.post, path, data=fields)
            for somebody, (path, fields) in zip(people, forms, strict=True)
        ]
        answers = at_once(pool, *saves, *(partial(other, number) for other in others))
        told = [answer for answer in answers if isinstance(answer, TestResponse)]
        check_pair(kind, before, [fields[kind.field] for _, fields in forms], told)


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("name", KINDS)
def test_of_two_forms_one_is_saved(
    pool: ThreadPoolExecutor, people: list[Person], name: str
) -> None:
    save_in_pairs(pool, KINDS[name], people, FEW if name != "schedule" else FEW // 3)


@pytest.mark.storm
@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("name", KINDS)
def test_of_a_thousand_pairs_of_forms_one_each_is_saved(
    pool: ThreadPoolExecutor, people: list[Person], name: str
) -> None:
    save_in_pairs(pool, KINDS[name], people, MANY)


# Forms against a task: neither overwrites the other, and the task makes no form fail


def save_beside_tasks(app: Flask, pool: ThreadPoolExecutor, people: list[Person], n: int) -> None:
    """Save in pairs while a task counts failures and keeps the pace of the same provider."""
    kind = KINDS["provider"]
    key = UUID(str(kind.row().id))
    broken = Result(outcome=Outcome.TEMPORARY, detail="refused", is_provider_trouble=True)

    def fail(connection: Connection) -> None:
        outcomes._judge_provider(connection, key, [broken], utcnow())

    def keep_pace(seconds: float, connection: Connection) -> None:
        pace.keep(connection, PROVIDERS, key, seconds, is_over=True)

    def write(number: int) -> None:
        with app.app_context():
            for turn in range(OFTEN):
                insist(fail)
                insist(partial(keep_pace, 0.1 if (number + turn) % 2 == 0 else 9.0))
            db.session.remove()

    save_in_pairs(pool, kind, people, n, write)
    assert kind.row().failures == n * OFTEN


@pytest.mark.usefixtures("rows")
def test_a_task_beside_two_forms_is_kept_and_makes_none_fail(
    app: Flask, pool: ThreadPoolExecutor, people: list[Person]
) -> None:
    save_beside_tasks(app, pool, people, FEW)


@pytest.mark.storm
@pytest.mark.usefixtures("rows")
def test_a_thousand_times_a_task_beside_two_forms(
    app: Flask, pool: ThreadPoolExecutor, people: list[Person]
) -> None:
    save_beside_tasks(app, pool, people, MANY)
