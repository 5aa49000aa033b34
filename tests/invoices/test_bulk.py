"""One verb for many invoices: planned, asked for once, done a hundred at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from core import stopping
from core.clock import utcnow
from core.db import db, reading, unit_of_work
from core.errors import ConflictError, InputError, NotFoundError
from core.ids import new_id
from core.pump import Message
from invoices.models import BulkState
from invoices.services import bulk, bulk_claims
from invoices.services.bulk import ACTS, ITEMS, Plan, Progress, Wish
from tests.support import desk
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database

WISH = Wish(verb="hold", invoice_ids=(), reason="wrong prices", actor="ann", nonce="n-1")


def add(source: SourceWithKey, count: int = 1, status: str = "ready") -> list[UUID]:
    found = [add_invoice(source) for _ in range(count)]
    with unit_of_work() as connection:
        for table, key, column in (
            (desk.INVOICES, desk.INVOICES.c.id, "status"),
            (desk.DELIVERIES, desk.DELIVERIES.c.invoice_id, "state"),
        ):
            connection.execute(update(table).where(key.in_(found)).values({column: status}))
    return found


def begin(wish: Wish) -> UUID:
    with unit_of_work() as connection:
        return bulk.begin(connection, wish)


def progress(bulk_id: UUID) -> Progress:
    with reading() as connection:
        return bulk.progress(connection, bulk_id)


def plan(verb: str, ids: list[UUID]) -> Plan:
    with reading() as connection:
        return bulk.plan(connection, verb, ids)


# Planned


def test_a_plan_counts_what_can_what_needs_a_yes_and_what_cannot(source: SourceWithKey) -> None:
    ids = [
        *add(source, 2, "failed"), *add(source, 1, "unknown"), *add(source, 1, "delivered"),
        *add(source, 1, "sent"), *add(source, 1, "sending"),
    ]  # fmt: skip

    found = plan("resend", [*ids, ids[0], new_id()])

    assert found == Plan(
        can={"failed": 2, "unknown": 1},
        needs_consent={"delivered": 1, "sent": 1},
        cannot={"sending": 1},
        missing=1,
    )
    assert found.total == 6


def test_to_hold_nothing_needs_a_second_yes(source: SourceWithKey) -> None:
    found = plan("hold", [*add(source, 2), *add(source, 1, "delivered")])

    assert found == Plan(can={"ready": 2}, needs_consent={}, cannot={"delivered": 1})


def test_all_that_a_list_shows_can_be_chosen(
    source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = add(source, 3, "failed")
    add(source, 2)

    with reading() as connection:
        assert bulk.chosen(connection, desk.INVOICES.c.status == "failed") == failed
        monkeypatch.setattr(bulk, "MOST", 2)
        with pytest.raises(InputError, match="narrow the list"):
            bulk.chosen(connection, desk.INVOICES.c.status == "failed")


# Begun


def test_the_same_form_twice_is_one_wish(source: SourceWithKey) -> None:
    wish = replace(WISH, invoice_ids=add(source, 2))

    assert begin(wish) == begin(wish)

    assert len(desk_rows()) == 1
    assert begin(replace(wish, nonce="n-2")) != begin(wish)


def desk_rows() -> list[object]:
    with reading() as connection:
        return list(connection.execute(select(ACTS)))


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"verb": "reconcile"}, "/verb"),
        ({"verb": "explode"}, "/verb"),
        ({"invoice_ids": ()}, "/invoice_ids"),
        ({"reason": " "}, "/reason"),
        ({"reason": "a\0b"}, "/reason"),
        ({"reason": "x" * 501}, "/reason"),
        ({"nonce": ""}, "/nonce"),
        ({"nonce": "x" * 65}, "/nonce"),
        ({"invoice_ids": tuple(new_id() for _ in range(10_001))}, "/invoice_ids"),
    ],
)
def test_what_cannot_be_wished_for_is_refused(
    app: Flask, changes: dict[str, object], where: str
) -> None:
    with pytest.raises(InputError) as caught:
        begin(replace(WISH, **({"invoice_ids": (new_id(),)} | changes)))  # type: ignore[arg-type]

    assert caught.value.findings[0].where == where


# Done


def test_each_invoice_is_done_or_says_why_not(source: SourceWithKey) -> None:
    ready, sent = add(source, 2), add(source, 1, "sent")
    bulk_id = begin(replace(WISH, invoice_ids=[*ready, *sent]))

    assert bulk.go_on(bulk_id, 10)

    found = progress(bulk_id)
    assert (found.state, found.total, found.done, found.refused) == (BulkState.DONE, 3, 2, 1)
    [(why, count)] = found.refusals.items()
    assert why.startswith("the invoice is sent and cannot be held")
    assert count == 1
    assert [desk.status_of(one) for one in ready] == ["held", "held"]
    event = desk.history_of(ready[0])[-1]
    assert (event.actor, event.note, event.cause) == ("ann", "wrong prices", "staff")
    with reading() as connection:
        rows = bulk.results(connection, bulk_id, -1, 10)
    assert [row.outcome for row in rows] == ["done", "done", "refused"]
    assert all(row.number for row in rows)


def test_what_was_sent_goes_out_twice_only_if_somebody_says_so(source: SourceWithKey) -> None:
    ids = add(source, 1, "delivered")
    wish = replace(WISH, verb="resend", invoice_ids=ids)

    bulk.go_on(begin(wish), 10)
    assert desk.status_of(ids[0]) == "delivered"
    bulk.go_on(begin(replace(wish, nonce="n-2", is_confirmed=True)), 10)
    assert desk.status_of(ids[0]) == "ready"


def test_many_are_released_to_another_address(source: SourceWithKey) -> None:
    ids = add(source, 2, "held")

    bulk.go_on(begin(replace(WISH, verb="release", invoice_ids=ids, to="new@example.com")), 10)

    assert {row.recipient for row in desk.rows(desk.DELIVERIES)} == {"new@example.com"}


def test_it_goes_on_where_it_was_left(
    source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "AT_ONCE", 2)
    bulk_id = begin(replace(WISH, invoice_ids=add(source, 5)))

    assert not bulk.go_on(bulk_id, 0)
    assert (progress(bulk_id).done, progress(bulk_id).state) == (2, BulkState.RUNNING)
    assert bulk.go_on(bulk_id, 10)
    assert (progress(bulk_id).done, progress(bulk_id).state) == (5, BulkState.DONE)
    assert bulk.go_on(bulk_id, 10)


def test_two_who_go_on_at_once_do_each_invoice_once(
    app: Flask, source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "AT_ONCE", 3)
    ids = add(source, 20, "failed")
    bulk_id = begin(replace(WISH, verb="resend", invoice_ids=ids))
    start = threading.Barrier(2)

    def work(_: int) -> bool:
        with app.app_context():
            start.wait()
            try:
                return bulk.go_on(bulk_id, 30)
            finally:
                db.session.remove()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, range(2))) == [True, True]

    assert progress(bulk_id).done == 20
    assert len(desk.rows(desk.DELIVERIES)) == 40


def test_one_that_is_stopped_leaves_the_rest_alone(
    source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "AT_ONCE", 2)
    bulk_id = begin(replace(WISH, invoice_ids=add(source, 5)))
    bulk.go_on(bulk_id, 0)

    with unit_of_work() as connection:
        bulk.stop(connection, bulk_id)

    assert bulk.go_on(bulk_id, 10)
    assert (progress(bulk_id).done, progress(bulk_id).state) == (2, BulkState.STOPPED)
    with pytest.raises(ConflictError, match="stopped already"), unit_of_work() as connection:
        bulk.stop(connection, bulk_id)


def test_one_that_is_none_is_not_found(app: Flask) -> None:
    with pytest.raises(NotFoundError), reading() as connection:
        bulk.progress(connection, new_id())


# By workers


def test_workers_go_on_with_what_is_left(
    source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "AT_ONCE", 2)
    bulk_id = begin(replace(WISH, invoice_ids=add(source, 5)))
    token = new_id()
    with unit_of_work() as connection:
        assert bulk_claims.has_due(connection, utcnow())
        [group] = bulk_claims.claim(connection, 10, token, utcnow() + desk.LEASE)
        assert not bulk_claims.has_due(connection, utcnow())

    monkeypatch.setattr(bulk_claims, "SECONDS", 0)
    assert bulk_claims.work(Message(token, group.ids, desk.LEASE)) == 0
    with reading() as connection:
        assert bulk_claims.has_due(connection, utcnow())
    monkeypatch.setattr(bulk_claims, "SECONDS", 60)
    assert bulk_claims.work(Message(token, [bulk_id], desk.LEASE)) == 1
    with reading() as connection:
        assert not bulk_claims.has_due(connection, utcnow())
        assert set(connection.scalars(select(ITEMS.c.outcome))) == {"done"}


def test_a_worker_that_is_told_to_stop_leaves_the_rest_due(
    source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "AT_ONCE", 2)
    monkeypatch.setattr(stopping, "is_asked", lambda: True)
    bulk_id = begin(replace(WISH, invoice_ids=add(source, 5)))

    assert not bulk.go_on(bulk_id, 60)
    assert progress(bulk_id).done == 2
