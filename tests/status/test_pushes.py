"""Telling subscribers: posted, signed, tried again by plan, given up, disabled."""

import json
import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Row, select, update

from core import log_context, webhooks
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.editing import By
from core.http import Answer, Failure
from core.ids import new_id
from core.pump import Message
from core.web import settings
from core.webhooks import Secret
from status import push_outcomes, pushes, queries, subscriptions
from status.models import PushAttempt, PushState, Subscription
from status.push_outcomes import PLAN
from status.queries import PUSHES
from tests.support import desk
from tests.support.factories import (
    SourceWithKey,
    add_event,
    add_invoice,
    add_source,
    add_subscription,
)
from tests.support.receiver import Receiver

pytestmark = pytest.mark.every_database

SUBSCRIPTIONS = Subscription.__table__
ATTEMPTS = PushAttempt.__table__
LEASE = timedelta(minutes=5)


def claim(limit: int = 100) -> list[Message]:
    token = new_id()
    with unit_of_work() as connection:
        groups = pushes.claim(connection, limit, token, utcnow() + LEASE)
    return [Message(token, group.ids, LEASE) for group in groups]


def post() -> int:
    return sum(pushes.post_batch(message, settings()) for message in claim())


def due() -> None:
    with unit_of_work() as connection:
        waits = update(PUSHES).where(PUSHES.c.due_at.is_not(None))
        connection.execute(waits.values(due_at=utcnow() - timedelta(seconds=1)))


def end_with(ends: Iterable[Answer | Failure], *, in_peace: bool = False) -> None:
    """Try what is due once, and let the tries end so, without a socket."""
    due()
    if not in_peace:
        desk.change(SUBSCRIPTIONS, closed_until=None)
    for message in claim():
        own = new_id()
        with unit_of_work() as connection:
            posts, target = pushes._prepare(connection, message, own, settings())
        assert target
        tried = list(zip(posts.values(), ends, strict=False))
        with unit_of_work() as connection:
            push_outcomes.record(connection, target.id, own, tried)


def answer(status: int, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, b"words", 0.01)


def subscription(subscription_id: UUID) -> Row[Any]:
    with reading() as connection:
        found = select(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == subscription_id)
        return connection.execute(found).one()


def has_due() -> bool:
    with reading() as connection:
        return pushes.has_due(connection, utcnow())


@pytest.fixture
def told(source: SourceWithKey) -> UUID:
    """A subscription with one push that is due."""
    subscription_id, _ = add_subscription(source)
    add_invoice(source)
    return subscription_id


# Made


def test_an_event_makes_a_push_for_each_subscription_that_wants_it(source: SourceWithKey) -> None:
    all_of_them, _ = add_subscription(source)
    ready, _ = add_subscription(source, event_types=("invoice.ready",))
    add_subscription(source, event_types=("invoice.sent",))
    add_subscription(add_source())

    invoice_id = add_invoice(source, number="R1", external_id="E1")

    made = desk.rows(PUSHES)
    assert {push.subscription_id for push in made} == {all_of_them, ready}
    payload = json.loads(made[0].payload)
    event = desk.history_of(invoice_id)[0]
    assert payload["type"] == "invoice.ready"
    assert payload["data"] == {
        "invoice_id": str(invoice_id),
        "number": "R1",
        "external_id": "E1",
        "status": "ready",
        "previous_status": None,
        "sequence": 1,
        "occurred_at": event.occurred_at.isoformat().replace("+00:00", "Z"),
        "detail": None,
    }
    assert {push.event_id for push in made} == {event.id}


@pytest.mark.one_database
@pytest.mark.parametrize("status", ["sending", "retry_wait"])
def test_steps_on_the_way_are_told_to_nobody(source: SourceWithKey, status: str) -> None:
    invoice_id = add_invoice(source)
    add_subscription(source)

    add_event(source, invoice_id, 2, status)

    assert desk.rows(PUSHES) == []


# Posted


def test_a_push_says_what_our_log_knows_it_by(
    source: SourceWithKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="kuvert.invoices")
    with Receiver() as receiver:
        add_subscription(source, receiver.url)
        accepted = add_invoice(source)
        caplog.clear()

        with log_context.bind(task_id="task-1"):
            post()

        [received] = receiver.wait_for(1)
    said = next(vars(one) for one in caplog.records if one.getMessage() == "events pushed")
    assert received.headers["x-request-id"] == "task-1"
    assert received.headers["kuvert-delivery-id"] == said["delivery_id"]
    assert received.headers["webhook-id"] == said["event_id"]
    assert said["invoice_id"] == str(accepted)
    assert said["is_taken"]


def test_a_push_arrives_signed(source: SourceWithKey) -> None:
    with Receiver() as receiver:
        _, secret = add_subscription(source, receiver.url)
        add_invoice(source)

        assert post() == 1

        [received] = receiver.wait_for(1)
    push, attempt = desk.only(PUSHES), desk.only(ATTEMPTS)
    assert received.body.decode() == push.payload
    assert received.headers["webhook-id"] == str(push.event_id)
    assert received.headers["content-type"] == "application/json"
    assert received.has_signature_of(secret)
    assert (push.state, push.due_at, push.attempt_count) == ("delivered", None, 1)
    assert (attempt.number, attempt.http_status, attempt.error) == (1, 202, None)
    assert not has_due()


def test_after_a_rotation_both_secrets_verify_for_a_day(source: SourceWithKey) -> None:
    with Receiver() as receiver:
        subscription_id, old = add_subscription(source, receiver.url)
        with unit_of_work() as connection:
            found = queries.subscription(connection, None, subscription_id)
            new = subscriptions.rotate_secret(connection, found, By("anna"), settings=settings())
        add_invoice(source)
        post()
        desk.change(SUBSCRIPTIONS, old_secret_until=utcnow() - timedelta(seconds=1))
        add_invoice(source)
        post()
        first, second = receiver.wait_for(2)

    assert [first.has_signature_of(secret) for secret in (old, new)] == [True, True]
    assert [second.has_signature_of(secret) for secret in (old, new)] == [False, True]
    secrets = [Secret.parse(old)]
    assert webhooks.verify(secrets, first.headers, first.body, utcnow())


def test_each_try_is_signed_afresh_over_the_same_body(source: SourceWithKey) -> None:
    with Receiver((500,)) as receiver:
        add_subscription(source, receiver.url)
        add_invoice(source)
        post()
        due()
        post()
        first, second = receiver.wait_for(2)

    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert [row.number for row in desk.rows(ATTEMPTS)] == [1, 2]
    assert [row.error for row in desk.rows(ATTEMPTS)] == ["answered 500", None]


def test_a_second_message_posts_nothing(told: UUID) -> None:
    [message] = claim()
    with unit_of_work() as connection:
        pushes._prepare(connection, message, new_id(), settings())

    assert pushes.post_batch(message, settings()) == 0


@pytest.mark.one_database
def test_a_receiver_that_is_not_there_is_a_failure(told: UUID) -> None:
    assert post() == 1

    push, attempt = desk.only(PUSHES), desk.only(ATTEMPTS)
    assert (push.state, attempt.http_status) == ("pending", None)
    assert attempt.error


# Tried again


def test_the_plan_takes_about_three_days(told: UUID) -> None:
    for step in PLAN:
        end_with([answer(500)])
        push = desk.only(PUSHES)
        assert push.state == "pending"
        assert step * 0.79 < push.due_at - utcnow() < step * 1.21

    assert timedelta(days=2.8) < sum(PLAN, timedelta()) < timedelta(days=3.2)
    assert [str(step) for step in PLAN[:4]] == ["0:00:05", "0:05:00", "0:30:00", "2:00:00"]


@pytest.mark.one_database
@pytest.mark.parametrize("status", [301, 302, 304, 307, 400, 401, 404, 429, 500, 503])
def test_anything_but_2xx_is_a_failure(told: UUID, status: int) -> None:
    """S09."""
    end_with([answer(status)])

    assert desk.only(PUSHES).state == "pending"
    assert desk.only(ATTEMPTS).error == f"answered {status}"
    assert subscription(told).failures == 1


@pytest.mark.one_database
@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_done(told: UUID, status: int) -> None:
    end_with([answer(status)])

    assert desk.only(PUSHES).state == "delivered"


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("value", "shortest", "longest"),
    [("7", 7, 7), ("1", 5, 5), ("-5", 4, 6), ("999999999", 10, 10), ("soon", 4, 6)],
)
def test_retry_after_counts_between_one_and_two_steps(
    told: UUID, value: str, shortest: int, longest: int
) -> None:
    """S17."""
    end_with([answer(429, retry_after=value)])

    waits = (desk.only(PUSHES).due_at - utcnow()).total_seconds()
    assert shortest - 1 <= waits <= longest


def test_a_push_that_nobody_takes_is_exhausted_and_its_subscription_disabled(
    told: UUID, source: SourceWithKey
) -> None:
    """S18."""
    for _ in range(len(PLAN) + 1):
        end_with([answer(400)])

    push = desk.only(PUSHES)
    assert (push.state, push.due_at, push.attempt_count) == ("exhausted", None, 10)
    assert push.finished_at is not None
    assert subscription(told).state == "disabled"
    assert "three days" in subscription(told).state_reason


# Disabled


def test_410_disables_parks_and_tells_the_others(told: UUID, source: SourceWithKey) -> None:
    """S16."""
    other, _ = add_subscription(source, event_types=("subscription.disabled",))
    add_subscription(source, event_types=("invoice.sent",))
    add_subscription(add_source())
    add_invoice(source)

    end_with([answer(410)])

    gone = subscription(told)
    assert (gone.state, gone.state_reason) == ("disabled", "the subscriber answered 410 Gone")
    own = [row for row in desk.rows(PUSHES) if row.subscription_id == told]
    assert [row.state for row in own] == ["parked", "parked"]
    [news] = [row for row in desk.rows(PUSHES) if row.subscription_id != told]
    assert (news.subscription_id, news.event_type, news.state) == (
        other, "subscription.disabled", "pending",
    )  # fmt: skip
    assert json.loads(news.payload)["data"]["subscription_id"] == str(told)


def test_what_happens_to_a_disabled_one_is_parked(told: UUID, source: SourceWithKey) -> None:
    end_with([answer(410)])

    add_invoice(source)

    assert {row.state for row in desk.rows(PUSHES)} == {"parked"}
    assert not has_due()


def test_one_that_was_paused_meanwhile_gets_its_pushes_back(told: UUID) -> None:
    [message] = claim()
    desk.change(SUBSCRIPTIONS, state="paused")

    assert pushes.post_batch(message, settings()) == 0

    push = desk.only(PUSHES)
    assert (push.state, push.attempt_count, push.lease_token) == (PushState.PARKED, 0, None)


# Left in peace


def test_a_silent_subscriber_is_left_in_peace_for_a_while(source: SourceWithKey) -> None:
    subscription_id, _ = add_subscription(source)
    for _ in range(5):
        add_invoice(source)

    end_with([answer(500)] * 5)

    found = subscription(subscription_id)
    assert found.failures == 5
    assert timedelta(seconds=25) < found.closed_until - utcnow() < timedelta(seconds=31)
    due()
    assert not has_due()
    assert claim() == []


def test_after_its_peace_it_gets_one(source: SourceWithKey) -> None:
    add_subscription(source)
    for _ in range(3):
        add_invoice(source)
    past = utcnow() - timedelta(seconds=1)
    desk.change(SUBSCRIPTIONS, failures=5, closed_until=past)

    [message] = claim()

    assert len(message.ids) == 1


def test_one_success_ends_it(told: UUID) -> None:
    past = utcnow() - timedelta(seconds=1)
    desk.change(SUBSCRIPTIONS, failures=9, closed_until=past)

    end_with([answer(200)], in_peace=True)

    found = subscription(told)
    assert (found.failures, found.closed_until) == (0, None)


def test_each_subscription_gets_a_fair_share(app: Flask, source: SourceWithKey) -> None:
    one, _ = add_subscription(source)
    for _ in range(8):
        add_invoice(source)
    other_source = add_source()
    two, _ = add_subscription(other_source)
    for _ in range(2):
        add_invoice(other_source)

    of = {row.id: row.subscription_id for row in desk.rows(PUSHES)}
    claimed = [of[item] for message in claim(4) for item in message.ids]

    assert sorted(claimed) == sorted([one, one, two, two])


# Odd answers


def test_an_odd_answer_can_be_stored(told: UUID) -> None:
    end_with([Answer(500, {}, b"no\x00 \xff" + b"x" * 5000, 0.01)])

    assert len(desk.only(ATTEMPTS).response) == 2000


def test_a_word_after_the_lease_was_lost_is_refused(told: UUID) -> None:
    [message] = claim()
    own = new_id()
    with unit_of_work() as connection:
        posts, target = pushes._prepare(connection, message, own, settings())
    due()
    [second] = claim()
    with unit_of_work() as connection:
        pushes._prepare(connection, second, new_id(), settings())

    assert target
    with unit_of_work() as connection:
        tried = [(item, answer(410)) for item in posts.values()]
        push_outcomes.record(connection, target.id, own, tried)

    assert desk.only(PUSHES).state == "pending"
    assert desk.rows(ATTEMPTS) == []
    assert subscription(told).state == "active"
