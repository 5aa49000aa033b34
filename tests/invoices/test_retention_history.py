"""Events and attempts of settled invoices go when their time is over; what decides stays."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Row, delete, select, update
from sqlalchemy.exc import DBAPIError

from callbacks.timeline import Kind as Entry
from callbacks.timeline import timeline
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.ids import new_id
from core.retention.kinds import Kind, Limits
from invoices.models import Attempt
from invoices.services import retention_history
from status import gaps, queries, replays
from status.models import Push, PushAttempt
from tests.support import ageing, desk
from tests.support.channel import FakeChannel
from tests.support.factories import SourceWithKey, add_event, add_invoice, add_subscription

pytestmark = pytest.mark.every_database

EVENTS = retention_history.EVENT_KIND
ATTEMPTS = retention_history.ATTEMPT_KIND
PUSHES = Push.__table__
PUSH_ATTEMPTS = PushAttempt.__table__


@pytest.fixture
def sent(source: SourceWithKey) -> UUID:
    """An invoice that was sent: ready, sending, sent; with one attempt."""
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())
    assert desk.path_of(invoice_id) == ["ready", "sending", "sent"]
    return invoice_id


def surveyed(kind: Kind) -> tuple[int, dict[str, int]]:
    with reading() as connection:
        survey = kind.survey(connection, ageing.limits())
    return survey.rows, dict(survey.kept_back)


def pushed(state: str) -> None:
    """Let every push have ended, with one attempt each."""
    ended = utcnow() - timedelta(seconds=1)
    desk.change(PUSHES, state=state, due_at=None, finished_at=ended)
    rows = [
        {
            "id": new_id(),
            "push_id": row.id,
            "number": 1,
            "started_at": ended,
            "finished_at": ended,
            "http_status": 204,
            "error": None,
            "response": "fine",
        }
        for row in desk.rows(PUSHES)
    ]
    with unit_of_work() as connection:
        connection.execute(PUSH_ATTEMPTS.insert(), rows)


def test_what_led_to_the_status_goes_and_the_status_stays(sent: UUID) -> None:
    assert surveyed(EVENTS) == (2, {})

    tally = ageing.purge(EVENTS)

    assert tally.rows == 2
    assert desk.path_of(sent) == ["sent"]
    [gap] = desk_gaps(sent)
    assert (gap.kind, gap.row_count) == ("events", 2)
    assert gap.oldest_at < gap.newest_at <= gap.removed_at


def desk_gaps(invoice_id: UUID) -> list[Row[Any]]:
    with reading() as connection:
        return list(gaps.of_invoice(connection, invoice_id))


def test_what_came_after_the_status_stays_too(source: SourceWithKey, sent: UUID) -> None:
    with unit_of_work() as connection:
        row = {**desk.history_of(sent)[-1]._mapping, "id": new_id(), "sequence": 4}
        row |= {"from_status": "sent", "to_status": "sent", "note": "a repeat"}
        connection.execute(desk.EVENTS.insert().values(row))
        connection.execute(update(desk.INVOICES).values(status_sequence=4))

    ageing.purge(EVENTS)

    assert [event.sequence for event in desk.history_of(sent)] == [3, 4]


def test_what_says_that_it_failed_stays_for_staff_to_overrule(
    source: SourceWithKey, sent: UUID
) -> None:
    add_event(source, sent, 4, "undeliverable")
    add_event(source, sent, 5, "ready")
    add_event(source, sent, 6, "sent")
    desk.change(desk.INVOICES, status_sequence=6)

    ageing.purge(EVENTS)

    assert [event.sequence for event in desk.history_of(sent)] == [4, 6]


def test_of_an_invoice_that_is_not_settled_nothing_goes(sent: UUID) -> None:
    ageing.settle("unknown")

    for kind, count in ((EVENTS, 2), (ATTEMPTS, 1)):
        assert surveyed(kind) == (0, {"not final": count})
        assert ageing.purge(kind).rows == 0

    assert len(desk.path_of(sent)) == 3
    assert len(desk.rows(desk.ATTEMPTS)) == 1


@pytest.mark.parametrize("state", ["pending", "parked"])
def test_what_a_subscriber_was_not_told_of_yet_stays(source: SourceWithKey, state: str) -> None:
    add_subscription(source)
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())
    desk.change(PUSHES, state=state)

    rows, kept = surveyed(EVENTS)
    assert (rows, kept) == (1, {"not told yet": 1})
    assert ageing.purge(EVENTS).rows == 1
    assert desk.path_of(invoice_id) == ["ready", "sent"]
    assert len(desk.rows(PUSHES)) == 2


@pytest.mark.parametrize("state", ["delivered", "exhausted"])
def test_with_an_event_goes_what_was_told_of_it(source: SourceWithKey, state: str) -> None:
    add_subscription(source)
    add_invoice(source)
    desk.send(FakeChannel())
    pushed(state)

    ageing.purge(EVENTS)

    assert len(desk.rows(desk.EVENTS)) == 1
    assert [row.event_type for row in desk.rows(PUSHES)] == ["invoice.sent"]
    assert len(desk.rows(PUSH_ATTEMPTS)) == 1


def test_what_was_told_lately_stays(source: SourceWithKey) -> None:
    add_subscription(source)
    add_invoice(source)
    desk.send(FakeChannel())
    pushed("delivered")
    with unit_of_work() as connection:
        connection.execute(update(PUSHES).values(finished_at=utcnow() + timedelta(days=1)))

    assert surveyed(EVENTS) == (1, {"not told yet": 1})


def test_a_replay_tells_what_is_left(source: SourceWithKey) -> None:
    subscription_id, _ = add_subscription(source)
    add_invoice(source)
    desk.send(FakeChannel())
    pushed("delivered")
    ageing.purge(EVENTS)

    with unit_of_work() as connection:
        found = queries.subscription(connection, None, subscription_id)
        replayed = replays.replay(connection, found, utcnow() - timedelta(days=1))

    assert replayed.again == 1


def test_attempts_go_and_are_counted(source: SourceWithKey, sent: UUID) -> None:
    assert surveyed(ATTEMPTS) == (1, {})

    tally = ageing.purge(ATTEMPTS)

    assert tally.rows == 1
    assert desk.rows(desk.ATTEMPTS) == []
    [gap] = desk_gaps(sent)
    assert (gap.kind, gap.row_count) == ("attempts", 1)
    assert desk.only(desk.DELIVERIES).attempt_count == 1


def test_attempts_to_push_go_once_the_push_has_ended(source: SourceWithKey) -> None:
    add_subscription(source)
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())
    pushed("delivered")

    assert ageing.purge(ATTEMPTS).rows == 3

    assert desk.rows(PUSH_ATTEMPTS) == []
    assert len(desk.rows(PUSHES)) == 2
    found = {gap.kind: gap.row_count for gap in desk_gaps(invoice_id)}
    assert found == {"attempts": 1, "push_attempts": 2}


def test_an_attempt_that_has_not_ended_stays(sent: UUID) -> None:
    desk.change(desk.ATTEMPTS, finished_at=None)

    assert surveyed(ATTEMPTS) == (0, {})
    assert ageing.purge(ATTEMPTS).rows == 0


def test_page_after_page_both_kinds_of_attempts_go(
    source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_history, "PAGE", 2)
    add_subscription(source)
    for _ in range(3):
        add_invoice(source)
    desk.send(FakeChannel())
    pushed("delivered")

    assert ageing.purge(ATTEMPTS).rows == 9
    assert ageing.purge(EVENTS).rows == 6
    assert desk.rows(PUSH_ATTEMPTS) == desk.rows(desk.ATTEMPTS) == []
    assert len(desk.rows(desk.EVENTS)) == 3


def test_a_second_gap_is_added_to_the_first(source: SourceWithKey, sent: UUID) -> None:
    ageing.purge(EVENTS)
    add_event(source, sent, 4, "delivered")
    desk.change(desk.INVOICES, status_sequence=4, status="delivered")

    ageing.purge(EVENTS)

    [gap] = desk_gaps(sent)
    assert gap.row_count == 3
    assert gap.newest_at > gap.oldest_at


def test_the_timeline_says_that_something_was_there(sent: UUID) -> None:
    ageing.purge(EVENTS)
    ageing.purge(ATTEMPTS)

    with reading() as connection:
        entries = timeline(connection, sent)

    notes = [entry.note for entry in entries if entry.kind == Entry.GAP]
    # Midnight may be between any two of their times.
    attempt, events = (
        [f"{at:%Y-%m-%d}" for at in (gap.oldest_at, gap.newest_at, gap.removed_at)]
        for gap in desk_gaps(sent)
    )
    assert sorted(map(str, notes)) == [
        "1 attempt from {} to {} was removed by retention on {}".format(*attempt),
        "2 events from {} to {} were removed by retention on {}".format(*events),
    ]


def test_what_is_left_is_guarded_as_before(sent: UUID) -> None:
    ageing.purge(EVENTS)

    with pytest.raises(DBAPIError, match="append-only"), unit_of_work() as connection:
        connection.execute(delete(desk.EVENTS))


def test_what_is_young_stays(sent: UUID) -> None:
    limits = Limits.of(30)
    with reading() as connection:
        found = [kind.survey(connection, limits) for kind in (EVENTS, ATTEMPTS)]
        attempts = connection.execute(select(Attempt.__table__)).all()

    assert [survey.rows for survey in found] == [0, 0]
    assert len(attempts) == 1
