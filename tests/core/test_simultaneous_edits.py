"""Edits of one row at the same moment: one wins, the others are told, and nothing is lost."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Connection, Row, Table, select

from callbacks import mappings
from callbacks.mappings import MAPPINGS
from core import pace
from core.clock import utcnow
from core.db import db, insist, reading, unit_of_work
from core.editing import By
from core.errors import ChangedError
from core.queues import TaskName
from core.schedules import edits as schedules
from core.schedules.rows import SCHEDULES
from core.web import settings
from invoices import access, edits
from invoices.access import KEYS
from invoices.channels import Result
from invoices.models import Outcome
from invoices.services import outcomes
from invoices.setup import PROVIDERS, SOURCES
from status import push_outcomes, subscriptions
from status.models import Status
from status.subscriptions import SUBSCRIPTIONS
from tests.support.factories import SourceWithKey, add_subscription

pytestmark = [pytest.mark.every_database, pytest.mark.every_case]

FEW, MANY = 20, 1000
MEANINGS = (Status.SENT, Status.DELIVERED, Status.UNDELIVERABLE)
TOMORROW = datetime(2031, 1, 1, tzinfo=UTC)

Job = Callable[[], object]
Save = Callable[[Connection, Row[Any], By, Any], None]


@dataclass(frozen=True)
class Kind:
    """A kind of row: how two people write one column of it, each another value."""

    table: Table
    column: str
    value: Callable[[int], object]
    save: Save


def url(number: int) -> str:
    return f"http://127.0.0.1:9/{number}"


def save_source(connection: Connection, seen: Row[Any], by: By, value: str) -> None:
    edits.edit_source(connection, seen.id, {"name": value}, by, seen.version)


def save_provider(connection: Connection, seen: Row[Any], by: By, value: str) -> None:
    values = {"url": value}
    edits.edit_provider(connection, seen.id, values, by, seen.version, settings=settings())


def save_key(connection: Connection, seen: Row[Any], by: By, value: datetime) -> None:
    access.set_expiry(connection, seen.prefix, value, by, seen.version)


def save_subscription(connection: Connection, seen: Row[Any], by: By, value: str) -> None:
    found = subscriptions.locked(connection, None, seen.id, seen.version)
    subscriptions.change(connection, found, by, settings=settings(), url=value)


def save_mapping(connection: Connection, seen: Row[Any], by: By, value: str) -> None:
    mappings.edit_mapping(connection, seen.id, value, by, seen.version)


def save_schedule(connection: Connection, seen: Row[Any], by: By, value: str) -> None:
    schedules.edit(connection, seen.name, {"description": value}, by, seen.version)


KINDS: Mapping[str, Kind] = {
    "source": Kind(SOURCES, "name", "name {}".format, save_source),
    "provider": Kind(PROVIDERS, "url", url, save_provider),
    "key": Kind(KEYS, "expires_at", lambda n: TOMORROW + timedelta(hours=n), save_key),
    "subscription": Kind(SUBSCRIPTIONS, "url", url, save_subscription),
    # Of three meanings the two that come next are never the one that is there.
    "mapping": Kind(MAPPINGS, "status", lambda n: MEANINGS[n % 3], save_mapping),
    "schedule": Kind(SCHEDULES, "description", "text {}".format, save_schedule),
}


@pytest.fixture
def pool(app: Flask) -> Iterator[ThreadPoolExecutor]:
    """People and tasks that act at the same moment."""
    with ThreadPoolExecutor(3) as threads:
        yield threads


@pytest.fixture
def desk_of_all(source: SourceWithKey) -> None:
    """One row of each kind; the newest schedule is ours."""
    add_subscription(source)
    values = {"task": TaskName.GET_TOTAL_INVOICES, "every_seconds": 3600}
    with unit_of_work() as connection:
        schedules.add(connection, "ours", values, By("anna"))


def newest(table: Table) -> Row[Any]:
    with reading() as connection:
        statement = select(table).order_by(table.c.id.desc()).limit(1)
        return connection.execute(statement).one()


def at_once(app: Flask, pool: ThreadPoolExecutor, *jobs: Job) -> list[object]:
    """Do all at the same moment; return what each gave back, or the ChangedError it met."""
    start = threading.Barrier(len(jobs))

    def do(job: Job) -> object:
        with app.app_context():
            start.wait()
            try:
                return job()
            except ChangedError as error:
                return error
            finally:
                db.session.remove()

    return list(pool.map(do, jobs))


def save(kind: Kind, seen: Row[Any], by: By, value: object) -> None:
    """Save a form that was filled in from `seen`."""
    with unit_of_work() as connection:
        kind.save(connection, seen, by, value)


def forms(kind: Kind, seen: Row[Any], number: int) -> tuple[dict[By, object], list[Job]]:
    """Return what two people are about to write, and how each does."""
    values = {By(name): kind.value(number + n) for n, name in enumerate(("anna", "bert"), 1)}
    return values, [partial(save, kind, seen, by, value) for by, value in values.items()]


def check_pair(kind: Kind, seen: Row[Any], values: Mapping[By, object], ends: list[object]) -> int:
    """Look whether exactly one has won; return his number."""
    after = newest(kind.table)
    told = [end for end in ends if isinstance(end, ChangedError)]
    assert len(told) == 1
    [winner] = [by for by, end in zip(values, ends, strict=True) if end is not told[0]]
    assert getattr(after, kind.column) == values[winner]
    assert (after.version, after.updated_by) == (seen.version + 1, winner.actor)
    assert told[0].theirs[kind.column] == values[winner]
    assert (told[0].changed_by, told[0].changed_at) == (winner.actor, after.updated_at)
    return list(values).index(winner)


def edit_in_pairs(app: Flask, pool: ThreadPoolExecutor, kind: Kind, count: int) -> None:
    number = 0
    for _ in range(count):
        seen = newest(kind.table)
        values, jobs = forms(kind, seen, number)
        number += 1 + check_pair(kind, seen, values, at_once(app, pool, *jobs))


@pytest.mark.usefixtures("desk_of_all")
@pytest.mark.parametrize("name", KINDS)
def test_of_two_forms_one_is_saved(app: Flask, pool: ThreadPoolExecutor, name: str) -> None:
    kind = KINDS[name]
    if name == "mapping":
        save(kind, newest(kind.table), By("nobody"), kind.value(0))

    edit_in_pairs(app, pool, kind, FEW)


@pytest.mark.storm
@pytest.mark.usefixtures("desk_of_all")
@pytest.mark.parametrize("name", KINDS)
def test_of_a_thousand_pairs_of_forms_one_each_is_saved(
    app: Flask, pool: ThreadPoolExecutor, name: str
) -> None:
    kind = KINDS[name]
    if name == "mapping":
        save(kind, newest(kind.table), By("nobody"), kind.value(0))

    edit_in_pairs(app, pool, kind, MANY)


# A form against a task: neither overwrites the other, and the task makes no form fail


def fail_once(provider_id: UUID) -> None:
    """Count one failure of a provider, as the task does after a batch."""
    broken = Result(outcome=Outcome.TEMPORARY, detail="refused", is_provider_trouble=True)
    insist(lambda c: outcomes._judge_provider(c, provider_id, [broken], utcnow()))


def keep_pace(provider_id: UUID, seconds: float) -> None:
    """Write the pace of a provider, as the task does after a batch."""
    insist(lambda c: pace.keep(c, PROVIDERS, provider_id, seconds, is_over=True))


def edit_against_tasks(app: Flask, pool: ThreadPoolExecutor, count: int) -> None:
    kind, number = KINDS["provider"], 0
    for turn in range(count):
        seen = newest(PROVIDERS)
        values, jobs = forms(kind, seen, number)
        is_quick = turn % 2 == 0
        task = (
            partial(fail_once, seen.id)
            if turn % 4 < 2
            else partial(keep_pace, seen.id, 0.1 if is_quick else 9.0)
        )

        *ends, _ = at_once(app, pool, *jobs, task)

        number += 1 + check_pair(kind, seen, values, ends)
        after = newest(PROVIDERS)
        if turn % 4 < 2:
            assert after.failures == seen.failures + 1
        else:
            assert after.pace == pace.after_batch(seen.pace, 0.1 if is_quick else 9.0, is_over=True)


@pytest.mark.usefixtures("source")
def test_a_task_beside_two_forms_is_kept_and_makes_none_fail(
    app: Flask, pool: ThreadPoolExecutor
) -> None:
    edit_against_tasks(app, pool, FEW)


@pytest.mark.storm
@pytest.mark.usefixtures("source")
def test_a_thousand_times_a_task_beside_two_forms(app: Flask, pool: ThreadPoolExecutor) -> None:
    edit_against_tasks(app, pool, MANY)


def disable(subscription_id: UUID) -> None:
    """Disable a subscription, as the task does when its subscriber is gone."""
    insist(lambda c: push_outcomes.disable(c, subscription_id, "gone"))


@pytest.mark.usefixtures("desk_of_all")
def test_a_task_that_disables_what_is_edited_is_not_overwritten(
    app: Flask, pool: ThreadPoolExecutor
) -> None:
    kind = KINDS["subscription"]
    for number in range(FEW):
        seen = newest(SUBSCRIPTIONS)
        form = partial(save, kind, seen, By("anna"), url(number + 10))

        end, _ = at_once(app, pool, form, partial(disable, seen.id))

        after = newest(SUBSCRIPTIONS)
        assert after.state == "disabled"
        assert (after.url == url(number + 10)) == (not isinstance(end, ChangedError))
        assert isinstance(end, ChangedError) == (after.version == seen.version + 1)
        with unit_of_work() as connection:
            found = subscriptions.locked(connection, None, seen.id)
            subscriptions.enable(connection, found, By("bert"))
