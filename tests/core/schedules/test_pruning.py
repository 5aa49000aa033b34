"""Old runs are forgotten, in small pages; a schedule's newest run and all failures stay longer."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from core.db import unit_of_work
from core.schedules import pruning, services
from core.schedules.models import Reason, RunState
from core.schedules.runs import RUNS, new_run
from tests.core.schedules.beat import WHO, Beat, hourly, row, runs
from tests.core.schedules.conftest import Clock

pytestmark = pytest.mark.every_database


def ran(clock: Clock, days: float, state: RunState = RunState.DONE, name: str = "job") -> None:
    """Enter a run of some days ago."""
    moment = clock() - timedelta(days=days)
    run = new_run(row(name).id, moment, Reason.SLOT, state, now=moment, note=None)
    with unit_of_work() as connection:
        connection.execute(insert(RUNS).values(run))


def prune(clock: Clock) -> int:
    with unit_of_work() as connection:
        return pruning.prune(connection, clock())


def test_what_went_well_is_kept_for_ninety_days(beat: Beat, clock: Clock) -> None:
    hourly()
    for days in (91, 90.1, 89, 1):
        ran(clock, days)

    assert prune(clock) == 2
    assert [(clock() - run.slot_at).days for run in runs()] == [89, 1]


@pytest.mark.parametrize("state", ["failed", "missed", "sent"])
def test_what_went_wrong_is_kept_for_a_year(beat: Beat, clock: Clock, state: str) -> None:
    hourly()
    for days in (366, 364):
        ran(clock, days, RunState(state))
    ran(clock, 1)

    assert prune(clock) == 1
    assert [run.state for run in runs()] == [state, "done"]


def test_the_newest_run_of_a_schedule_stays(beat: Beat, clock: Clock) -> None:
    hourly()
    for days in (500, 400):
        ran(clock, days)

    assert prune(clock) == 1
    assert len(runs()) == 1


def test_of_a_deleted_schedule_nothing_stays(beat: Beat, clock: Clock) -> None:
    hourly()
    ran(clock, 91)
    with unit_of_work() as connection:
        services.remove(connection, "job", WHO)

    assert prune(clock) == 1


def test_beat_prunes_page_by_page_and_then_once_an_hour(
    beat: Beat, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "PAGE", 2)
    hourly()
    for days in range(100, 105):
        ran(clock, days)
    ran(clock, 1)
    left = []
    for _ in range(4):
        beat.turn()
        left.append(len(runs()))
    assert left == [4, 2, 1, 1]

    ran(clock, 100)
    beat.turn()
    assert len(runs()) == 2
    clock.wait(3601)
    beat.turn()
    beat.turn()
    assert 100 not in {(clock() - run.slot_at).days for run in runs()}
