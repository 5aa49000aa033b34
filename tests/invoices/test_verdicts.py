"""What providers say, in any order and any number of times."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import permutations
from random import Random
from uuid import UUID

import pytest

from core.db import unit_of_work
from core.ids import new_id
from invoices.services.verdicts import Effect, Verdict, apply_verdicts
from status.models import Status
from tests.support import desk
from tests.support.channel import FakeChannel
from tests.support.factories import SourceWithKey, add_invoice

every_database = pytest.mark.every_database

SENT, DELIVERED, UNDELIVERABLE = Status.SENT, Status.DELIVERED, Status.UNDELIVERABLE
FIVE = (SENT, DELIVERED, SENT, DELIVERED, UNDELIVERABLE)


def verdict(delivery_id: UUID, status: Status, at: datetime | None = None) -> Verdict:
    return Verdict(
        key=new_id(), delivery_id=delivery_id, status=status, occurred_at=at, note=f"said {status}"
    )


def apply(*verdicts: Verdict) -> list[Effect]:
    with unit_of_work() as connection:
        effects = apply_verdicts(connection, verdicts)
    return [effects[item.key] for item in verdicts]


def handed_over(source: SourceWithKey) -> tuple[UUID, UUID]:
    """An invoice that was sent, and its delivery."""
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())
    [delivery_id] = [row.id for row in desk.rows(desk.DELIVERIES) if row.invoice_id == invoice_id]
    return invoice_id, delivery_id


def states() -> set[str]:
    rows = [*desk.rows(desk.INVOICES)]
    deliveries = {row.id: row.state for row in desk.rows(desk.DELIVERIES)}
    assert all(deliveries[row.current_delivery_id] == row.status for row in rows)
    return {row.status for row in rows}


def with_repeats(order: Sequence[Status], chance: Random) -> list[Status]:
    """Repeat each event up to twice, somewhere after its first time."""
    events = list(order)
    for status in order:
        for _ in range(chance.randint(0, 2)):
            events.insert(chance.randint(events.index(status) + 1, len(events)), status)
    return events


@every_database
def test_all_orders_of_five_repeated_events_end_alike(source: SourceWithKey) -> None:
    """P5: 120 orders, each event one to three times; all 120 invoices at once."""
    chance = Random(5)
    for _ in range(120):
        add_invoice(source)
    assert desk.send(FakeChannel()) == 120
    said: Counter[UUID] = Counter()
    verdicts = []
    for row, order in zip(desk.rows(desk.DELIVERIES), permutations(FIVE), strict=True):
        heard = with_repeats(order, chance)
        said[row.invoice_id] = len(heard)
        verdicts += [verdict(row.id, status) for status in heard]

    effects = apply(*verdicts)

    assert states() == {"undeliverable"}
    assert Effect.EARLY not in effects
    events = Counter(row.invoice_id for row in desk.rows(desk.EVENTS) if row.cause == "callback")
    assert events == said
    for row in desk.rows(desk.INVOICES):
        assert row.status_sequence == 3 + said[row.id]


@every_database
@pytest.mark.parametrize(
    ("said", "path"),
    [
        ([SENT], []),
        ([DELIVERED], ["delivered"]),
        ([UNDELIVERABLE], ["undeliverable"]),
        ([DELIVERED, SENT], ["delivered"]),
        ([DELIVERED, UNDELIVERABLE], ["delivered", "undeliverable"]),
        ([UNDELIVERABLE, DELIVERED], ["undeliverable"]),
    ],
)
def test_a_verdict_never_lowers_the_rank(
    source: SourceWithKey, said: list[Status], path: list[str]
) -> None:
    invoice_id, delivery_id = handed_over(source)

    apply(*[verdict(delivery_id, status) for status in said])

    changes = [row for row in desk.history_of(invoice_id)[3:] if row.from_status != row.to_status]
    assert [row.to_status for row in changes] == path
    assert states() == {path[-1] if path else "sent"}
    assert len(desk.history_of(invoice_id)) == 3 + len(said)


@every_database
def test_what_changed_nothing_says_so(source: SourceWithKey) -> None:
    invoice_id, delivery_id = handed_over(source)

    apply(*[verdict(delivery_id, status) for status in (DELIVERED, DELIVERED, SENT)])

    *_, repeated, late = [row.note for row in desk.history_of(invoice_id)]
    assert repeated == "ignored (repeated): said delivered"
    assert late == "ignored (late, it is delivered): said sent"


@every_database
def test_the_time_of_the_event_is_the_provider_s(source: SourceWithKey) -> None:
    invoice_id, delivery_id = handed_over(source)
    at = datetime(1970, 1, 1, tzinfo=UTC)

    apply(verdict(delivery_id, DELIVERED, at))

    event = desk.history_of(invoice_id)[-1]
    assert event.occurred_at == at
    assert event.recorded_at > at
    assert event.sequence == 4


@every_database
def test_a_word_before_the_hand_over_is_recorded_is_early(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    channel = FakeChannel()
    seen: list[Effect] = []
    channel.before_answer = lambda envelope: seen.extend(
        apply(verdict(envelope.delivery_id, DELIVERED))
    )

    desk.send(channel)

    assert seen == [Effect.EARLY]
    assert desk.path_of(invoice_id) == ["ready", "sending", "sent"]


@every_database
def test_a_word_about_what_was_never_begun_waits(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    delivery_id = desk.only(desk.DELIVERIES).id

    assert apply(verdict(delivery_id, DELIVERED)) == [Effect.EARLY]

    assert desk.status_of(invoice_id) == "ready"
    assert desk.send(FakeChannel()) == 1
    assert apply(verdict(delivery_id, DELIVERED)) == [Effect.APPLIED]


@every_database
@pytest.mark.parametrize("state", ["retry_wait", "unknown", "failed", "held"])
def test_the_provider_s_word_settles_what_we_could_not_know(
    source: SourceWithKey, state: str
) -> None:
    invoice_id, delivery_id = handed_over(source)
    desk.change(desk.DELIVERIES, state=state)
    desk.change(desk.INVOICES, status=state)

    assert apply(verdict(delivery_id, SENT)) == [Effect.APPLIED]

    assert desk.status_of(invoice_id) == "sent"
    assert desk.only(desk.DELIVERIES).due_at is None


@every_database
@pytest.mark.parametrize("status", [SENT, DELIVERED, UNDELIVERABLE])
def test_an_invoice_that_was_cancelled_before_any_attempt_stays_so(
    source: SourceWithKey, status: Status
) -> None:
    invoice_id, delivery_id = handed_over(source)
    desk.change(desk.DELIVERIES, state="cancelled", attempt_count=0)
    desk.change(desk.INVOICES, status="cancelled")

    assert apply(verdict(delivery_id, status)) == [Effect.IGNORED]

    assert desk.status_of(invoice_id) == "cancelled"
    assert "late, it is cancelled" in desk.history_of(invoice_id)[-1].note


@every_database
@pytest.mark.parametrize("status", [SENT, DELIVERED, UNDELIVERABLE])
def test_of_one_cancelled_after_an_attempt_the_provider_s_word_counts(
    source: SourceWithKey, status: Status
) -> None:
    invoice_id, delivery_id = handed_over(source)
    desk.change(desk.DELIVERIES, state="cancelled")
    desk.change(desk.INVOICES, status="cancelled")

    assert apply(verdict(delivery_id, status)) == [Effect.APPLIED]

    assert desk.status_of(invoice_id) == status
    event = desk.history_of(invoice_id)[-1]
    assert (event.from_status, event.to_status) == ("cancelled", status)


@pytest.mark.parametrize("said", list(permutations([SENT, DELIVERED, UNDELIVERABLE])))
def test_all_orders_of_what_is_said_of_a_cancelled_one_end_alike(
    source: SourceWithKey, said: tuple[Status, ...]
) -> None:
    invoice_id, delivery_id = handed_over(source)
    desk.change(desk.DELIVERIES, state="cancelled")
    desk.change(desk.INVOICES, status="cancelled")

    apply(*[verdict(delivery_id, status) for status in said])

    assert desk.status_of(invoice_id) == "undeliverable"


@every_database
def test_a_word_about_an_earlier_delivery_is_only_history(source: SourceWithKey) -> None:
    invoice_id, delivery_id = handed_over(source)
    later = desk.add_delivery(invoice_id, state="sent")
    desk.change(desk.INVOICES, current_delivery_id=later)

    apply(verdict(delivery_id, UNDELIVERABLE), verdict(later, DELIVERED))

    assert desk.status_of(invoice_id) == "delivered"
    notes = [row.note for row in desk.history_of(invoice_id)[3:]]
    assert notes == ["undeliverable for an earlier delivery: said undeliverable", "said delivered"]
    assert [row.state for row in desk.rows(desk.DELIVERIES)] == ["undeliverable", "delivered"]


@every_database
def test_nothing_said_is_nothing_done(source: SourceWithKey) -> None:
    assert apply() == []
