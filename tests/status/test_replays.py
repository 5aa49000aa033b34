"""Trying a subscription out, telling it again, and what is parked meanwhile."""

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection, Row, select, update
from werkzeug.test import TestResponse

from core.clock import rfc3339, utcnow
from core.db import reading, unit_of_work
from core.editing import By
from core.errors import ConflictError, NotFoundError
from core.ids import new_id
from status import pushes, queries, replays, subscriptions
from status.models import PushState
from status.queries import PUSHES
from tests.support.factories import (
    SourceWithKey,
    add_event,
    add_invoice,
    add_source,
    add_subscription,
)

pytestmark = pytest.mark.every_database

ROOT = "/api/v1/subscriptions"


def rows() -> list[Row[Any]]:
    with reading() as connection:
        order = (PUSHES.c.event_id, PUSHES.c.replay)
        return list(connection.execute(select(PUSHES).order_by(*order)))


def states() -> list[str]:
    return [row.state for row in rows()]


def act(subscription_id: UUID, verb: Callable[[Connection, Row[Any], By], object]) -> None:
    with unit_of_work() as connection:
        verb(connection, subscriptions.locked(connection, None, subscription_id), By("anna"))


def has_due() -> bool:
    with reading() as connection:
        return pushes.has_due(connection, utcnow())


def finish(state: PushState = PushState.DELIVERED) -> None:
    with unit_of_work() as connection:
        connection.execute(update(PUSHES).values(state=str(state), due_at=None))


def replay(api: FlaskClient, subscription_id: UUID, since: datetime) -> TestResponse:
    return api.post(f"{ROOT}/{subscription_id}/replay", json={"since": rfc3339(since)})


def an_hour_ago() -> datetime:
    return utcnow() - timedelta(hours=1)


# Parked


def test_what_happens_while_it_is_paused_is_parked_and_not_due(source: SourceWithKey) -> None:
    subscription_id, _ = add_subscription(source)
    act(subscription_id, subscriptions.pause)

    add_invoice(source)

    assert states() == ["parked"]
    assert not has_due()


def test_what_was_parked_is_due_when_it_is_enabled(source: SourceWithKey, api: FlaskClient) -> None:
    subscription_id, _ = add_subscription(source)
    act(subscription_id, subscriptions.pause)
    add_invoice(source)

    api.post(f"{ROOT}/{subscription_id}/enable")

    assert states() == ["pending"]
    assert has_due()


def test_what_was_parked_while_it_was_being_enabled_goes_out_too(source: SourceWithKey) -> None:
    subscription_id, _ = add_subscription(source)
    act(subscription_id, subscriptions.pause)
    act(subscription_id, subscriptions.enable)
    add_invoice(source)

    # As the transaction leaves it that read the state just before the subscription was enabled.
    finish(PushState.PARKED)
    with unit_of_work() as connection:
        connection.execute(update(PUSHES).values(due_at=utcnow()))

    assert has_due()


def test_a_parked_push_shows_no_time(source: SourceWithKey, api: FlaskClient) -> None:
    subscription_id, _ = add_subscription(source)
    act(subscription_id, subscriptions.pause)
    add_invoice(source)

    [shown] = api.get(f"{ROOT}/{subscription_id}/pushes").get_json()["items"]

    assert (shown["state"], shown["due_at"]) == ("parked", None)


def test_a_deleted_one_is_told_nothing_and_nothing_is_made_for_it(source: SourceWithKey) -> None:
    subscription_id, _ = add_subscription(source)
    add_invoice(source)

    act(subscription_id, subscriptions.delete)
    add_invoice(source)

    assert states() == ["parked"]
    assert not has_due()


# Tried out


def test_a_test_is_pushed_whatever_types_are_asked_for(
    source: SourceWithKey, api: FlaskClient
) -> None:
    subscription_id, _ = add_subscription(source, event_types=("invoice.sent",))

    answer = api.post(f"{ROOT}/{subscription_id}/test")

    [row] = rows()
    assert answer.status_code == 202
    assert answer.get_json() == {"push_id": str(row.id)}
    assert (row.event_type, row.state) == ("webhook.test", "pending")
    assert json.loads(row.payload)["data"] == {"subscription_id": str(subscription_id)}
    assert has_due()


@pytest.mark.one_database
@pytest.mark.parametrize("verb", ["test", "replay"])
def test_a_paused_one_is_not_pushed_to(source: SourceWithKey, api: FlaskClient, verb: str) -> None:
    subscription_id, _ = add_subscription(source)
    act(subscription_id, subscriptions.pause)

    answer = api.post(f"{ROOT}/{subscription_id}/{verb}", json={"since": "2026-11-22T08:30:00Z"})

    assert answer.status_code == 409
    assert "paused; enable it first" in answer.get_json()["detail"]
    assert not rows()


@pytest.mark.one_database
@pytest.mark.parametrize("verb", ["test", "replay"])
def test_somebody_elses_is_not_found(app: object, api: FlaskClient, verb: str) -> None:
    subscription_id, _ = add_subscription(add_source())

    answer = api.post(f"{ROOT}/{subscription_id}/{verb}", json={"since": "2026-11-22T08:30:00Z"})

    assert answer.status_code == 404


# Told again


@pytest.mark.parametrize("state", [PushState.DELIVERED, PushState.EXHAUSTED])
def test_a_finished_push_is_made_again_with_the_same_body(
    source: SourceWithKey, api: FlaskClient, state: PushState
) -> None:
    subscription_id, _ = add_subscription(source)
    add_invoice(source)
    finish(state)

    answer = replay(api, subscription_id, an_hour_ago())

    first, again = rows()
    assert answer.status_code == 202
    assert answer.get_json() == {"replayed": 1, "unparked": 0}
    assert (first.state, first.due_at) == (state, None)
    assert (again.replay, again.state, again.attempt_count) == (1, "pending", 0)
    assert (again.event_id, again.payload) == (first.event_id, first.payload)
    assert has_due()


def test_each_replay_counts_on(source: SourceWithKey, api: FlaskClient) -> None:
    subscription_id, _ = add_subscription(source)
    add_invoice(source)

    for _ in range(3):
        finish()
        replay(api, subscription_id, an_hour_ago())

    assert [row.replay for row in rows()] == [0, 1, 2, 3]


def test_an_event_that_still_waits_is_not_doubled(source: SourceWithKey, api: FlaskClient) -> None:
    subscription_id, _ = add_subscription(source)
    add_invoice(source)

    answer = replay(api, subscription_id, an_hour_ago())

    assert answer.get_json()["replayed"] == 0
    assert states() == ["pending"]


def test_only_events_since_then_are_pushed_again(source: SourceWithKey, api: FlaskClient) -> None:
    subscription_id, _ = add_subscription(source)
    invoice_id = add_invoice(source)
    between = utcnow() + timedelta(milliseconds=1)
    threading.Event().wait(0.005)
    add_event(source, invoice_id, 2)
    finish()

    answer = replay(api, subscription_id, between)

    assert answer.get_json()["replayed"] == 1
    assert rows()[-1].event_type == "invoice.sent"


def test_only_this_subscription_hears_again(source: SourceWithKey, api: FlaskClient) -> None:
    subscription_id, _ = add_subscription(source)
    add_subscription(source, "http://127.0.0.1:9/other")
    add_invoice(source)
    finish()

    replay(api, subscription_id, an_hour_ago())

    assert [row.subscription_id for row in rows() if row.replay] == [subscription_id]


def test_a_test_is_not_told_again(source: SourceWithKey, api: FlaskClient) -> None:
    subscription_id, _ = add_subscription(source)
    with unit_of_work() as connection:
        replays.send_test(connection, queries.subscription(connection, None, subscription_id))
    finish()

    assert replay(api, subscription_id, an_hour_ago()).get_json()["replayed"] == 0


def test_more_than_a_replay_takes_is_refused(
    source: SourceWithKey, api: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "MOST", 1)
    subscription_id, _ = add_subscription(source)
    add_invoice(source)
    add_invoice(source)
    finish()

    answer = replay(api, subscription_id, an_hour_ago())

    assert answer.status_code == 422
    assert len(rows()) == 2


@pytest.mark.one_database
@pytest.mark.parametrize(
    "body",
    [{}, {"since": "yesterday"}, {"since": "2026-11-22T08:30:00"}, {"since": 5}, {"sinc": "x"}],
)
def test_a_time_that_cannot_be_read_is_refused(
    source: SourceWithKey, api: FlaskClient, body: dict[str, object]
) -> None:
    subscription_id, _ = add_subscription(source)

    answer = api.post(f"{ROOT}/{subscription_id}/replay", json=body)

    assert answer.status_code == 422
    assert answer.get_json()["errors"]


def test_a_time_before_all_events_is_all_of_them(source: SourceWithKey, api: FlaskClient) -> None:
    subscription_id, _ = add_subscription(source)
    add_invoice(source)
    finish()

    answer = api.post(f"{ROOT}/{subscription_id}/replay", json={"since": "0001-01-01T00:00:00Z"})

    assert answer.get_json()["replayed"] == 1


# One push


def push_again(push_id: UUID) -> UUID:
    with unit_of_work() as connection:
        return replays.push_again(connection, push_id)


def test_one_push_goes_out_again_with_the_same_body(source: SourceWithKey) -> None:
    add_subscription(source)
    add_invoice(source)
    finish(PushState.EXHAUSTED)
    [old] = rows()

    first = push_again(old.id)
    finish()
    second = push_again(first)

    made = rows()
    assert [row.id for row in made] == [old.id, first, second]
    assert [row.replay for row in made] == [0, 1, 2]
    assert {(row.event_id, row.payload) for row in made} == {(old.event_id, old.payload)}
    assert made[-1].state == "pending"


def test_what_waits_is_not_pushed_beside_itself(source: SourceWithKey) -> None:
    subscription_id, _ = add_subscription(source)
    add_invoice(source)
    [waiting] = rows()

    with pytest.raises(ConflictError, match="waits to be pushed"):
        push_again(waiting.id)
    finish()
    act(subscription_id, subscriptions.pause)
    with pytest.raises(ConflictError, match="enable it first"):
        push_again(waiting.id)
    act(subscription_id, subscriptions.delete)
    with pytest.raises(NotFoundError):
        push_again(waiting.id)
    with pytest.raises(NotFoundError):
        push_again(new_id())
