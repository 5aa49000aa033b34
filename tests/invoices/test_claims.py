"""Which deliveries are handed out, and to whom."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from core import pace
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.ids import new_id
from core.pump import Message
from invoices.services import actions, attempts, claims
from invoices.services.actions import Order
from status.models import Cause
from tests.support import desk
from tests.support.channel import FakeChannel
from tests.support.factories import SourceWithKey, add_invoice, add_source

pytestmark = pytest.mark.every_database


def has_due() -> bool:
    with reading() as connection:
        return claims.has_due(connection, utcnow())


def change_provider(**values: object) -> None:
    desk.change(desk.PROVIDERS, **values)


def two_sources(first: int, second: int) -> tuple[set[UUID], set[UUID]]:
    """Two sources, each with a provider of its own and so many invoices."""
    one, two = add_source(provider="sandbox"), add_source(provider="sandbox-2")
    for _ in range(first):
        add_invoice(one)
    for _ in range(second):
        add_invoice(two)
    rows = desk.rows(desk.DELIVERIES)
    return {row.id for row in rows[:first]}, {row.id for row in rows[first:]}


def test_what_is_due_is_claimed_once(source: SourceWithKey) -> None:
    add_invoice(source)
    assert has_due()

    [message] = desk.claim()

    row = desk.only(desk.DELIVERIES)
    assert message.ids == [row.id]
    assert row.lease_token == message.token
    assert row.due_at > utcnow()
    assert not has_due()
    assert desk.claim() == []


def test_the_oldest_go_first(source: SourceWithKey) -> None:
    for _ in range(3):
        add_invoice(source)

    claimed = [desk.ids_of(desk.claim(1)) for _ in range(3)]

    assert claimed == [[row.id] for row in desk.rows(desk.DELIVERIES)]


def test_a_claim_that_ran_out_is_due_again(source: SourceWithKey) -> None:
    add_invoice(source)
    [first] = desk.claim()

    desk.due()
    [second] = desk.claim()

    assert second.ids == first.ids
    assert second.token != first.token


def test_a_message_whose_claim_ran_out_finds_nothing(source: SourceWithKey) -> None:
    add_invoice(source)
    [late] = desk.claim()
    desk.due()
    [message] = desk.claim()
    channel = FakeChannel()

    assert desk.send(channel, late) == 0
    assert desk.send(channel, message) == 1


def test_each_provider_gets_a_fair_share(app: Flask) -> None:
    first, second = two_sources(8, 2)

    claimed = set(desk.ids_of(desk.claim(4)))

    assert len(claimed & first) == 2
    assert claimed & second == second


def test_a_message_holds_one_provider_s_deliveries(app: Flask) -> None:
    first, second = two_sources(2, 2)

    assert {frozenset(message.ids) for message in desk.claim()} == {
        frozenset(first),
        frozenset(second),
    }


def test_a_paused_provider_gets_nothing(source: SourceWithKey) -> None:
    add_invoice(source)
    change_provider(state="paused")

    assert not has_due()
    assert desk.claim() == []


def test_a_draining_provider_finishes_what_it_has_begun(source: SourceWithKey) -> None:
    begun = add_invoice(source)
    add_invoice(source)
    with unit_of_work() as connection:
        mine = desk.DELIVERIES.c.invoice_id == begun
        connection.execute(update(desk.DELIVERIES).where(mine).values(attempt_count=1))
    change_provider(state="draining")

    assert has_due()
    [message] = desk.claim()

    assert message.ids == [desk.rows(desk.DELIVERIES)[0].id]
    assert not has_due()


def test_an_open_breaker_lets_nothing_through(source: SourceWithKey) -> None:
    add_invoice(source)
    change_provider(failures=5, closed_until=utcnow() + timedelta(seconds=30))

    assert not has_due()
    assert desk.claim() == []


def test_a_breaker_that_has_run_out_lets_one_through(source: SourceWithKey) -> None:
    for _ in range(3):
        add_invoice(source)
    change_provider(failures=5, closed_until=utcnow() - timedelta(seconds=1))

    assert len(desk.ids_of(desk.claim())) == 1


@pytest.mark.one_database
@pytest.mark.parametrize("state", ["sending", "sent", "held", "unknown", "cancelled"])
def test_only_what_waits_is_claimed(source: SourceWithKey, state: str) -> None:
    add_invoice(source)
    desk.change(desk.DELIVERIES, state=state)

    assert desk.claim() == []


def test_two_at_once_share_the_work(app: Flask) -> None:
    first, second = two_sources(4, 4)

    claimed = [*desk.ids_of(desk.claim(4)), *desk.ids_of(desk.claim(4))]

    assert sorted(claimed) == sorted(first | second)


def test_the_batch_says_whether_its_provider_is_open(source: SourceWithKey) -> None:
    add_invoice(source)
    [message] = desk.claim()
    batch = desk.batch_of(message)
    assert batch
    assert batch.is_open

    change_provider(state="paused")

    batch = desk.batch_of(message)
    assert batch
    assert not batch.is_open


@pytest.mark.one_database
def test_a_batch_of_nothing_has_no_provider(app: Flask) -> None:
    assert desk.batch_of(Message(new_id(), [new_id()], desk.LEASE)) is None


def test_one_that_is_released_elsewhere_takes_no_other_along(source: SourceWithKey) -> None:
    first, second = add_invoice(source), add_invoice(source)
    add_source(provider="sandbox-2")
    [message] = desk.claim()
    order = Order(reason="over there", actor="test", cause=Cause.STAFF)
    with unit_of_work() as connection:
        actions.hold(connection, first, order)
        actions.release(connection, first, order, provider="sandbox-2")

    batch = desk.batch_of(message)

    providers = {row.code: row.id for row in desk.rows(desk.PROVIDERS)}
    assert batch
    assert batch.provider_id == providers["sandbox"]
    assert desk.send(FakeChannel(), message) == 1
    assert [desk.status_of(item) for item in (first, second)] == ["ready", "sent"]


def test_a_message_of_two_providers_reaches_one_of_them(app: Flask) -> None:
    two_sources(2, 2)
    one, other = desk.claim()

    sent = desk.send(FakeChannel(), Message(one.token, [*one.ids, *other.ids], one.lease))

    assert sent == 2
    assert sorted(row.state for row in desk.rows(desk.DELIVERIES)) == [
        *("ready", "ready"),
        *("sent", "sent"),
    ]


def test_a_provider_begins_with_one_batch_and_earns_more(
    source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "QUICK_SECONDS", 600.0)  # however busy the machine is
    change_provider(pace=1)
    for _ in range(330):
        add_invoice(source)

    first, still_out = desk.claim(), desk.claim()
    handed_over = sum(desk.send(FakeChannel(), message) for message in first)

    assert (sum(len(message.ids) for message in first), still_out) == (100, [])
    assert handed_over == 100
    assert desk.only(desk.PROVIDERS).pace == 2
    assert sum(len(message.ids) for message in desk.claim()) == 200


def test_what_was_claimed_while_it_was_quick_waits_once_it_is_slow(
    source: SourceWithKey,
) -> None:
    change_provider(pace=4)
    for _ in range(150):
        add_invoice(source)
    [message] = desk.claim()
    one, two = (
        Message(message.token, ids, message.lease) for ids in (message.ids[:100], message.ids[100:])
    )
    provider_id = desk.only(desk.PROVIDERS).id
    with unit_of_work() as connection:
        begun = attempts.begin(connection, provider_id, one, new_id(), one.ids)
    change_provider(pace=1)

    batch = desk.batch_of(two)

    assert len(begun) == 100
    assert batch is not None
    assert not batch.is_open


def test_mails_are_handed_out_a_few_at_a_time(source: SourceWithKey) -> None:
    for _ in range(35):
        add_invoice(source)
    desk.change(desk.PROVIDERS, channel="smtp", pace=3)

    with unit_of_work() as connection:
        [group] = claims.claim(connection, 1000, new_id(), utcnow() + desk.LEASE)

    assert (len(group.ids), group.most) == (3 * claims.MAIL_BATCH, claims.MAIL_BATCH)
    assert desk.claim() == []
