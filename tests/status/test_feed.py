"""GET /events and an invoice's history."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, Row, insert

from core.clock import utcnow
from core.db import reading, unit_of_work
from core.ids import first_id_of, new_id
from status.models import StatusEvent
from status.queries import EVENTS, FEED_AGE, feed
from tests.support.factories import (
    SourceWithKey,
    add_event,
    add_invoice,
    add_source,
    client_of,
)

pytestmark = pytest.mark.every_database

ROOT = "/api/v1/events"


def add_old_event(source: SourceWithKey, invoice_id: UUID, sequence: int, age: timedelta) -> UUID:
    """Append an event as it would be there had it happened `age` ago."""
    moment = utcnow() - age
    event_id = UUID(int=first_id_of(moment).int | sequence)
    row = {
        "id": event_id,
        "invoice_id": invoice_id,
        "source_id": source.id,
        "sequence": sequence,
        "to_status": "sent",
        "cause": "dispatch",
        "occurred_at": moment,
        "recorded_at": moment,
    }
    with unit_of_work() as connection:
        connection.execute(insert(StatusEvent).values(row))
    return event_id


@pytest.fixture
def events(source: SourceWithKey) -> list[UUID]:
    """Four events that have settled, in order; the invoice's own first one comes last."""
    invoice_id = add_invoice(source)
    return [
        add_old_event(source, invoice_id, number, timedelta(minutes=10 - number))
        for number in range(2, 6)
    ]


def ids(rows: Sequence[Row[Any]]) -> list[UUID]:
    return [row.id for row in rows]


def test_events_come_in_order_and_page_by_page(source: SourceWithKey, events: list[UUID]) -> None:
    first = ids(feed(reading, source.id, None, 3))
    second = ids(feed(reading, source.id, first[-1], 1))

    assert first == events[:3]
    assert second == events[3:]


def test_a_young_event_is_waited_for(api: FlaskClient, source: SourceWithKey) -> None:
    add_invoice(source)
    began = monotonic()

    body = api.get(ROOT).get_json()

    assert monotonic() - began >= 1.5
    [event] = body["items"]
    assert (event["type"], event["status"], event["previous_status"]) == (
        "invoice.ready", "ready", None,
    )  # fmt: skip
    assert (event["sequence"], event["cause"]) == (1, "intake")
    assert body["next"] == event["id"]


def test_nobody_waits_where_nothing_is_young(api: FlaskClient, source: SourceWithKey) -> None:
    began = monotonic()

    body = api.get(ROOT).get_json()

    assert body == {"items": [], "next": None}
    assert monotonic() - began < 1.5  # as long as is waited for what is young


def test_an_event_that_commits_late_is_not_passed_over(
    app: Flask, source: SourceWithKey, events: list[UUID]
) -> None:
    """A transaction made its event's id first and commits after a younger event has."""
    invoice_id = add_invoice(source)
    late_id = new_id()
    add_event(source, invoice_id, 8)
    committed = threading.Event()

    @contextmanager
    def slow_reading() -> Iterator[Connection]:
        with reading() as connection:
            yield connection
        if not committed.is_set():  # after the first look: the late one is there only now
            committed.set()
            row = {
                "id": late_id,
                "invoice_id": invoice_id,
                "source_id": source.id,
                "sequence": 7,
                "to_status": "sent",
                "cause": "dispatch",
                "occurred_at": utcnow(),
                "recorded_at": utcnow(),
            }
            with unit_of_work() as connection:
                connection.execute(insert(EVENTS).values(row))

    found = ids(feed(slow_reading, source.id, events[-1], 50))

    assert late_id in found
    assert found == sorted(found)
    assert len(found) == 4  # the first events of both invoices, the late one, the younger one


def test_events_are_shown_for_30_days(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    add_old_event(source, invoice_id, 2, FEED_AGE + timedelta(minutes=1))
    kept = add_old_event(source, invoice_id, 3, FEED_AGE - timedelta(minutes=1))

    assert ids(feed(reading, source.id, None, 1)) == [kept]


def test_nobody_sees_events_of_others(source: SourceWithKey, events: list[UUID]) -> None:
    assert feed(reading, add_source().id, None, 50) == []


def test_a_full_page_links_to_the_next(
    api: FlaskClient, source: SourceWithKey, events: list[UUID]
) -> None:
    answer = api.get(f"{ROOT}?limit=2")

    assert answer.get_json()["next"] == str(events[1])
    assert answer.headers["Link"].endswith(f'/api/v1/events?limit=2&after={events[1]}>; rel="next"')


def test_an_empty_page_keeps_the_place(api: FlaskClient, events: list[UUID]) -> None:
    after = first_id_of(utcnow() + timedelta(hours=1))

    body = api.get(f"{ROOT}?after={after}").get_json()

    assert body == {"items": [], "next": str(after)}


@pytest.mark.parametrize("after", ["abc", "1", ""])
def test_a_place_that_is_none_is_refused(api: FlaskClient, after: str) -> None:
    answer = api.get(f"{ROOT}?after={after}")

    assert answer.status_code == 400
    assert answer.get_json()["detail"].startswith("cursor not valid")


# History


def test_the_history_of_an_invoice_is_complete_and_in_order(
    api: FlaskClient, source: SourceWithKey
) -> None:
    invoice_id = add_invoice(source)
    add_event(source, invoice_id, 3)
    add_event(source, invoice_id, 2)
    address = f"/api/v1/invoices/{invoice_id}/history"

    first = api.get(f"{address}?limit=2").get_json()
    second = api.get(f"{address}?limit=2&cursor={first['next']}").get_json()

    found = first["items"] + second["items"]
    assert [event["sequence"] for event in found] == [1, 2, 3]
    assert second["next"] is None


def test_a_key_needs_the_scope_for_events(app: Flask) -> None:
    narrow = client_of(app, add_source(scopes=("invoices:read",)).key)

    assert narrow.get(ROOT).status_code == 403
