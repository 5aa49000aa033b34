"""Attempts: committed before a byte leaves, one for each try, none for a second message."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.clock import utcnow
from core.db import database, unit_of_work
from core.pump import Message
from invoices.channels import Envelope
from invoices.services import attempts, outcomes
from status.models import Status
from tests.support import desk
from tests.support.channel import ACCEPTED, FakeChannel, answer
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database


def committed() -> list[str | None]:
    """Read the outcomes of attempts as another process would see them."""
    with database().engine.connect() as connection:
        columns = desk.ATTEMPTS.c
        return list(connection.scalars(select(columns.outcome).order_by(columns.id)))


def invoices(source: SourceWithKey, count: int) -> None:
    for _ in range(count):
        add_invoice(source)


def test_an_envelope_has_all_that_a_channel_needs(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source, number="R1")
    channel = FakeChannel()

    desk.send(channel)

    [envelope] = channel.seen
    delivery = desk.only(desk.DELIVERIES)
    assert envelope.delivery_id == delivery.id
    assert (envelope.number, envelope.attempt) == ("R1", 1)
    assert envelope.recipient == "deliver@sandbox.example"
    assert b'"R1"' in envelope.body
    assert envelope.media_type == "application/json"
    assert not envelope.is_test
    assert desk.only(desk.ATTEMPTS).id == envelope.attempt_id
    assert desk.path_of(invoice_id) == ["ready", "sending", "sent"]


@pytest.mark.parametrize(("is_idempotent", "at_once"), [(True, 3), (False, 1)])
def test_an_attempt_is_committed_before_its_send(
    source: SourceWithKey, is_idempotent: bool, at_once: int
) -> None:
    invoices(source, 3)
    desk.change(desk.PROVIDERS, is_idempotent=is_idempotent)
    channel, seen = FakeChannel(), []
    channel.before_answer = lambda _: seen.append(committed())

    desk.send(channel)

    # Where no key is honoured, only what is really under way is without an outcome.
    assert [found.count(None) for found in seen] == ([at_once] * 3)
    assert committed() == ["accepted"] * 3


def test_nothing_is_open_while_the_provider_answers(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    channel = FakeChannel()
    seen: list[str] = []

    def look(_: Envelope) -> None:
        # On SQLite this would wait for the writer, had one been left open.
        with database().engine.connect().execution_options(kuvert_write=True) as connection:
            seen.extend(connection.scalars(select(desk.INVOICES.c.status)))

    channel.before_answer = look
    desk.send(channel)

    assert seen == ["sending"]
    assert desk.status_of(invoice_id) == "sent"


def test_a_second_message_delivers_nothing(source: SourceWithKey) -> None:
    invoices(source, 2)
    [message] = desk.claim()
    first, second = FakeChannel(), FakeChannel()

    assert desk.send(first, message) == 2
    assert desk.send(second, message) == 0

    assert second.seen == []
    assert len(desk.rows(desk.ATTEMPTS)) == 2


def test_a_second_message_while_the_first_is_under_way_delivers_nothing(
    source: SourceWithKey,
) -> None:
    invoices(source, 2)
    [message] = desk.claim()
    first, second = FakeChannel(), FakeChannel()
    first.before_answer = lambda _: desk.send(second, message)

    desk.send(first, message)

    assert second.seen == []


def test_a_message_without_an_id_of_ours_delivers_nothing(source: SourceWithKey) -> None:
    invoices(source, 1)
    [message] = desk.claim()
    desk.change(desk.DELIVERIES, state="cancelled", lease_token=None)

    assert desk.send(FakeChannel(), message) == 0


def test_each_try_has_the_same_key_and_the_next_number(source: SourceWithKey) -> None:
    add_invoice(source)
    channel = FakeChannel(answer(503), answer(503))

    for _ in range(3):
        desk.due()
        desk.send(channel)

    assert {envelope.delivery_id for envelope in channel.seen} == {desk.only(desk.DELIVERIES).id}
    assert [envelope.attempt for envelope in channel.seen] == [1, 2, 3]
    assert [row.number for row in desk.rows(desk.ATTEMPTS)] == [1, 2, 3]
    assert len({envelope.body for envelope in channel.seen}) == 1


def test_a_delivery_that_is_not_current_leaves_its_invoice_alone(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())
    desk.add_delivery(invoice_id, state="ready", due_at=utcnow())

    assert desk.send(FakeChannel(answer(400))) == 1

    assert desk.status_of(invoice_id) == "sent"
    assert desk.path_of(invoice_id) == ["ready", "sending", "sent"]
    assert [row.state for row in desk.rows(desk.DELIVERIES)] == ["sent", "undeliverable"]


# Workers that are late or lost


def begin(message: Message, own: Message) -> list[Envelope]:
    provider_id = desk.rows(desk.DELIVERIES)[0].provider_id
    with unit_of_work() as connection:
        return attempts.begin(connection, provider_id, message, own.token, message.ids)


def settle() -> None:
    with unit_of_work() as connection:
        outcomes.settle_lost(connection)


@pytest.mark.parametrize(
    ("is_idempotent", "status", "is_due"), [(True, "retry_wait", True), (False, "unknown", False)]
)
def test_what_a_lost_worker_had_begun_is_settled(
    source: SourceWithKey, is_idempotent: bool, status: str, is_due: bool
) -> None:
    invoice_id = add_invoice(source)
    desk.change(desk.PROVIDERS, is_idempotent=is_idempotent)
    [message] = desk.claim()
    begin(message, message)
    desk.due()

    settle()

    delivery, attempt = desk.only(desk.DELIVERIES), desk.only(desk.ATTEMPTS)
    assert desk.status_of(invoice_id) == delivery.state == status
    assert (delivery.due_at is not None, delivery.lease_token) == (is_due, None)
    assert (attempt.outcome, attempt.may_have_arrived) == ("lost", True)
    assert "worker was lost" in desk.history_of(invoice_id)[-1].note


def test_a_worker_that_still_has_its_lease_is_not_lost(source: SourceWithKey) -> None:
    add_invoice(source)
    [message] = desk.claim()
    begin(message, message)

    settle()

    assert desk.only(desk.DELIVERIES).state == "sending"


def test_a_lost_worker_s_last_try_leaves_it_unknown(source: SourceWithKey) -> None:
    """Q07."""
    invoice_id = add_invoice(source)
    desk.change(desk.DELIVERIES, attempt_count=7)
    [message] = desk.claim()
    begin(message, message)
    desk.due()

    settle()

    assert desk.status_of(invoice_id) == "unknown"


def test_a_word_that_comes_after_the_lease_is_refused(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    [message] = desk.claim(lease=timedelta(seconds=0))
    channel = FakeChannel(answer(400))

    def lose(_: Envelope) -> None:
        desk.due()
        settle()

    channel.before_answer = lose
    desk.send(channel, message)

    assert desk.path_of(invoice_id) == ["ready", "sending", Status.RETRY_WAIT]
    assert desk.only(desk.ATTEMPTS).outcome == "lost"


def test_a_word_after_another_worker_took_over_is_refused(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    [message] = desk.claim()
    late = FakeChannel(answer(400))

    def take_over(_: Envelope) -> None:
        desk.due()
        settle()
        desk.send(FakeChannel(ACCEPTED))

    late.before_answer = take_over
    desk.send(late, message)

    assert desk.status_of(invoice_id) == "sent"
    assert [row.outcome for row in desk.rows(desk.ATTEMPTS)] == ["lost", "accepted"]
    assert desk.path_of(invoice_id)[-2:] == ["sending", "sent"]
