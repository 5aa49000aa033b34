"""Which beat leads: the lease is short, renewed beside the turns, and given back at the end."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select

from core import leases
from core.db import database_time, reading, unit_of_work
from core.leases import LEASES
from core.schedules import lead, ledger, queries
from core.schedules.lead import Lead
from tests.core.schedules.beat import Beat, add, hourly
from tests.core.schedules.conftest import Clock
from tests.support.processes import wait_until

HOUR = timedelta(hours=1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short times, so that the test need not wait."""
    monkeypatch.setattr(lead, "LEASE_LENGTH", timedelta(seconds=1))
    monkeypatch.setattr(lead, "RENEW_SECONDS", 0.1)


@pytest.fixture
def pair(app: Flask, quick: None) -> Iterator[tuple[Lead, Lead]]:
    """Two beats' views of the lead; the first one has it."""
    first, second = Lead(app), Lead(app)
    assert first.is_ours()
    yield first, second
    for one in (first, second):
        one.give_back()


@pytest.mark.every_database
def test_the_lead_is_kept_beside_a_turn_that_takes_long(
    pair: tuple[Lead, Lead], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pair
    # So long that no busy machine keeps the thread from renewing it in time.
    monkeypatch.setattr(lead, "LEASE_LENGTH", timedelta(seconds=30))

    for _ in range(3):
        wait_until(partial(_runs_longer_than, _runs_until()), 20, "the lease is renewed")

    assert not second.is_ours()
    assert first.is_ours()
    assert first.term == 1


def test_a_beat_whose_turn_never_ends_loses_the_lead(
    pair: tuple[Lead, Lead], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pair
    monkeypatch.setattr(lead, "LONGEST_TURN", 0.3)

    wait_until(second.is_ours, 20, "the other leads")

    assert not first.is_ours()
    assert first.term is None


def test_what_was_given_back_is_free_at_once(pair: tuple[Lead, Lead]) -> None:
    first, second = pair

    first.give_back()

    assert second.is_ours()


def test_after_a_kill_the_lease_runs_out_in_four_seconds() -> None:
    assert lead.LEASE_LENGTH + timedelta(seconds=lead.RENEW_SECONDS) <= timedelta(seconds=5)


def test_a_long_dispatch_goes_on_while_the_lead_is_ours(
    beat: Beat, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "PAGE", 1)
    for number in range(4):
        hourly(f"job {number}")
    beat.turn()
    clock.go("2026-10-19T13:00")
    beat.broker.seconds = 5

    beat.turn()

    assert len(beat.sent()) == 4


def test_a_dispatch_ends_when_another_beat_has_taken_over(
    app: Flask, beat: Beat, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "PAGE", 1)
    for number in range(4):
        hourly(f"job {number}")
    beat.turn()
    clock.go("2026-10-19T13:00")
    beat.broker.seconds = 5
    send = beat.broker.send_task
    other = Lead(app)

    def overtaken(*args: object, **values: object) -> None:
        send(*args, **values)  # type: ignore[arg-type]
        assert other.is_ours()

    monkeypatch.setattr(beat.broker, "send_task", overtaken)

    beat.turn()

    assert len(beat.sent()) == 1


@pytest.mark.every_database
def test_a_clock_that_was_set_back_does_not_lengthen_a_dead_beats_lead(
    app: Flask, beat: Beat, clock: Clock
) -> None:
    beat.turn()
    clock.wait(-3600)

    assert Lead(app).is_ours()


@pytest.mark.every_database
def test_a_lease_is_judged_by_the_databases_clock(app: Flask) -> None:
    with unit_of_work() as connection:
        leases.take(connection, "it", HOUR)
    with reading() as connection:
        until = connection.scalar(select(LEASES.c.until).where(LEASES.c.name == "it"))
        now = database_time(connection)

    assert until is not None
    assert HOUR - timedelta(seconds=5) < until - now <= HOUR


@pytest.mark.every_database
def test_a_new_leader_sends_at_once_what_the_dead_one_left(
    app: Flask, beat: Beat, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(every_seconds=60)
    clock.wait(60)
    beat.broker.is_away = True
    beat.turn()
    other = Beat(app, clock)
    clock.wait(5)

    other.turn()

    assert len(other.sent()) == 1


def test_a_stop_in_the_middle_of_a_turn_waits_until_it_is_rolled_back(
    beat: Beat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_args: object) -> None:
        # As Celery's handler of SIGTERM does.
        beat.scheduler.close()
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "look", stopped)
        with pytest.raises(SystemExit):
            beat.turn()
    assert _holder() is not None

    beat.scheduler.close()

    assert _holder() is None


def _runs_longer_than(before: datetime) -> bool:
    return _runs_until() > before


def _runs_until() -> datetime:
    """Return the end of beat's lease as it stands."""
    mine = select(LEASES.c.until).where(LEASES.c.name == lead.BEAT_LEASE)
    with reading() as connection:
        until: datetime = connection.scalars(mine).one()
    return until


def _holder() -> str | None:
    with reading() as connection:
        return queries.leader(connection)
