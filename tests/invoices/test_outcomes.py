"""What an answer, or its absence, makes of an invoice and of its provider."""

from datetime import timedelta

import pytest

from core.clock import utcnow
from core.db import unit_of_work
from core.http import Answer, Failure
from invoices.services import actions
from invoices.services.retries import PLAN
from status.models import Cause
from tests.support import desk
from tests.support.channel import FakeChannel, answer, no_answer
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database

ACCEPTED = [200, 201, 202, 204, 299]
REFUSED = [400, 404, 410, 413, 415, 422]
OURS = [401, 403, 407]
REDIRECTS = [301, 302, 307, 308]
BUSY = [408, 425, 429]
BROKEN = [500, 502, 503, 504]


def sent_with(
    source: SourceWithKey, end: Answer | Failure, *, is_idempotent: bool = True
) -> tuple[str, str | None, timedelta | None]:
    """Send one invoice; return its status, the attempt's outcome and how long it waits."""
    invoice_id = add_invoice(source)
    desk.change(desk.PROVIDERS, is_idempotent=is_idempotent)
    desk.send(FakeChannel(end))
    delivery = desk.only(desk.DELIVERIES)
    status = desk.status_of(invoice_id)
    assert delivery.state == status
    assert delivery.lease_token is None
    waits = delivery.due_at - utcnow() if delivery.due_at else None
    return status, desk.only(desk.ATTEMPTS).outcome, waits


@pytest.mark.parametrize("is_idempotent", [True, False])
@pytest.mark.parametrize(
    ("codes", "status", "outcome"),
    [
        (ACCEPTED, "sent", "accepted"),
        (REFUSED, "undeliverable", "refused"),
        (OURS, "held", "misconfigured"),
        (REDIRECTS, "held", "misconfigured"),
    ],
)
def test_an_answer_that_decides_ends_the_delivery(
    source: SourceWithKey, codes: list[int], status: str, outcome: str, is_idempotent: bool
) -> None:
    for _ in codes:
        add_invoice(source)
    desk.change(desk.PROVIDERS, is_idempotent=is_idempotent)

    desk.send(FakeChannel(*map(answer, codes)))

    assert {row.state for row in desk.rows(desk.DELIVERIES)} == {status}
    assert {row.status for row in desk.rows(desk.INVOICES)} == {status}
    assert {row.due_at for row in desk.rows(desk.DELIVERIES)} == {None}
    assert sorted(row.http_status for row in desk.rows(desk.ATTEMPTS)) == codes
    assert {row.outcome for row in desk.rows(desk.ATTEMPTS)} == {outcome}


@pytest.mark.parametrize(
    ("codes", "is_idempotent", "status", "may_have_arrived"),
    [
        (BUSY, True, "retry_wait", False),
        (BUSY, False, "retry_wait", False),
        # A provider that honours the key and answers with an error has taken nothing.
        (BROKEN, True, "retry_wait", False),
        (BROKEN, False, "unknown", True),
    ],
)
def test_an_answer_that_decides_nothing_is_tried_again_where_that_is_safe(
    source: SourceWithKey,
    codes: list[int],
    is_idempotent: bool,
    status: str,
    may_have_arrived: bool,
) -> None:
    for _ in codes:
        add_invoice(source)
    desk.change(desk.PROVIDERS, is_idempotent=is_idempotent)

    desk.send(FakeChannel(*map(answer, codes)))

    assert {row.state for row in desk.rows(desk.DELIVERIES)} == {status}
    waits = [row.due_at is not None for row in desk.rows(desk.DELIVERIES)]
    assert set(waits) == {status == "retry_wait"}
    assert {row.may_have_arrived for row in desk.rows(desk.ATTEMPTS)} == {may_have_arrived}


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("may_have_arrived", "is_idempotent", "status"),
    [
        (False, True, "retry_wait"),
        (False, False, "retry_wait"),
        (True, True, "retry_wait"),
        (True, False, "unknown"),
    ],
)
def test_no_answer_is_a_known_failure_only_when_nothing_has_left(
    source: SourceWithKey, may_have_arrived: bool, is_idempotent: bool, status: str
) -> None:
    end = no_answer(may_have_arrived=may_have_arrived)

    found, outcome, _ = sent_with(source, end, is_idempotent=is_idempotent)

    assert found == status
    assert outcome == ("unknown" if status == "unknown" else "temporary")
    assert desk.only(desk.ATTEMPTS).response == "no answer"


@pytest.mark.parametrize(("is_idempotent", "status"), [(True, "sent"), (False, "unknown")])
def test_a_conflict_is_an_acceptance_where_our_key_is_known(
    source: SourceWithKey, is_idempotent: bool, status: str
) -> None:
    found, _, _ = sent_with(source, answer(409), is_idempotent=is_idempotent)

    assert found == status


def test_the_provider_s_words_and_reference_are_kept(source: SourceWithKey) -> None:
    sent_with(source, answer(202, b'{"id": "ref-7"}'))

    attempt = desk.only(desk.ATTEMPTS)
    assert attempt.provider_reference == desk.only(desk.DELIVERIES).provider_reference == "ref-7"
    assert attempt.response == '{"id": "ref-7"}'
    assert attempt.finished_at >= attempt.started_at


@pytest.mark.one_database
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"id": null}', b'{"id": {"a": 1}}', b"\xff", b'{"id": true}']
)
def test_an_acceptance_without_a_reference_is_one(source: SourceWithKey, body: bytes) -> None:
    status, _, _ = sent_with(source, answer(200, body))

    assert status == "sent"
    assert desk.only(desk.DELIVERIES).provider_reference is None


@pytest.mark.parametrize(
    ("body", "reference"),
    [
        (b'{"id": 7}', "7"),
        (b'{"id": " a\\u0000b\\n "}', "a b"),
        (b'{"id": "\\ud800x"}', "?x"),
        (b'{"id": "' + b"x" * 500 + b'"}', "x" * 200),
    ],
)
def test_an_odd_reference_is_kept_as_callbacks_read_it(
    source: SourceWithKey, body: bytes, reference: str
) -> None:
    sent_with(source, answer(200, body))

    assert desk.only(desk.DELIVERIES).provider_reference == reference


def test_odd_words_can_be_stored(source: SourceWithKey) -> None:
    status, _, _ = sent_with(source, answer(400, b"no\x00 \xff\xfe \xf0\x9f\x98\x80" + b"x" * 5000))

    assert status == "undeliverable"
    assert len(desk.only(desk.ATTEMPTS).response) <= 2000


# When it is tried again


@pytest.mark.one_database
def test_the_wait_is_the_plan_s_with_some_jitter(source: SourceWithKey) -> None:
    add_invoice(source)

    for step in PLAN:
        desk.due()
        desk.send(FakeChannel(answer(503)))
        desk.change(desk.PROVIDERS, closed_until=None, failures=0)
        delivery = desk.only(desk.DELIVERIES)
        assert delivery.state == "retry_wait"
        assert step * 0.89 < delivery.due_at - utcnow() < step * 1.11


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("value", "shortest", "longest"),
    [
        ("7", 5, 8),
        ("0", 0, 2),
        ("999999999", 86_390, 86_401),
        ("soon", 50, 70),
        ("-5", 50, 70),
    ],
)
def test_retry_after_is_honoured_within_a_day(
    source: SourceWithKey, value: str, shortest: float, longest: float
) -> None:
    _, _, waits = sent_with(source, answer(429, retry_after=value))

    assert waits is not None
    assert shortest <= waits.total_seconds() <= longest


def use_up(source: SourceWithKey, *ends: Answer | Failure) -> str:
    invoice_id = add_invoice(source)
    desk.change(desk.DELIVERIES, attempt_count=len(PLAN) + 1 - len(ends))
    for end in ends:
        desk.due()
        desk.send(FakeChannel(end))
    assert desk.only(desk.DELIVERIES).due_at is None
    return desk.status_of(invoice_id)


def test_attempts_that_are_used_up_have_failed(source: SourceWithKey) -> None:
    assert use_up(source, answer(503), answer(429)) == "failed"


ARRIVED = no_answer(may_have_arrived=True)


@pytest.mark.parametrize("ends", [(ARRIVED, answer(429)), (answer(429), ARRIVED)])
def test_attempts_that_are_used_up_are_unknown_when_one_may_have_arrived(
    source: SourceWithKey, ends: tuple[Answer | Failure, Answer | Failure]
) -> None:
    assert use_up(source, *ends) == "unknown"


# What it means for the provider


def test_troubles_in_a_row_open_the_breaker(source: SourceWithKey) -> None:
    for _ in range(5):
        add_invoice(source)

    desk.send(FakeChannel(*[answer(503)] * 5))

    provider = desk.only(desk.PROVIDERS)
    assert provider.failures == 5
    assert provider.closed_until > utcnow()


def test_a_single_answer_closes_it(source: SourceWithKey) -> None:
    add_invoice(source)
    desk.change(desk.PROVIDERS, failures=9, closed_until=utcnow() - timedelta(seconds=1), alarm="x")

    desk.send(FakeChannel(answer(422)))

    provider = desk.only(desk.PROVIDERS)
    assert (provider.failures, provider.closed_until, provider.alarm) == (0, None, None)


@pytest.mark.one_database
def test_a_busy_provider_is_not_a_broken_one(source: SourceWithKey) -> None:
    for _ in range(6):
        add_invoice(source)

    desk.send(FakeChannel(*[answer(429)] * 6))

    assert desk.only(desk.PROVIDERS).failures == 0


def test_wrong_credentials_hold_the_invoice_and_raise_the_alarm(source: SourceWithKey) -> None:
    status, _, _ = sent_with(source, answer(401, b"bad token"))

    assert status == "held"
    assert desk.only(desk.PROVIDERS).alarm == "the provider answered 401: bad token"


def test_a_held_invoice_goes_on_when_it_is_released(source: SourceWithKey) -> None:
    sent_with(source, answer(403))
    invoice_id = desk.only(desk.INVOICES).id
    order = actions.Order(reason="mended", actor="test", cause=Cause.STAFF)
    with unit_of_work() as connection:
        actions.release(connection, invoice_id, order)
    desk.send(FakeChannel())

    assert desk.path_of(invoice_id) == ["ready", "sending", "held", "ready", "sending", "sent"]


def test_a_hopeless_batch_ends_and_what_is_handed_back_closes_no_breaker_again(
    source: SourceWithKey,
) -> None:
    for _ in range(12):
        add_invoice(source)
    channel = FakeChannel(*[no_answer(may_have_arrived=False)] * 12)

    tried = desk.send(channel)

    provider = desk.only(desk.PROVIDERS)
    rows = desk.rows(desk.DELIVERIES)
    assert (tried, len(channel.seen)) == (5, 5)
    assert provider.failures == 5
    assert provider.closed_until > utcnow()
    assert {row.state for row in rows} == {"retry_wait"}
    assert sum(row.due_at <= utcnow() for row in rows) == 7
