"""Schedules of each kind, with runs of each ending and changes by several people."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert

from core.clock import utcnow
from core.db import unit_of_work
from core.editing import By
from core.errors import InputError
from core.queues import TaskName
from core.schedules import edits, queries, runs, services
from core.schedules.models import Reason, RunState, ScheduleRun

RUNS = ScheduleRun.__table__
ANN = By("ann@example.com", "the totals were wanted earlier")
BOB = By("bob@example.com", "maintenance of the database")
NIGHTLY, HOURLY, PAUSED = "nightly totals", "every hour on weekdays", "paused totals"
TASK = str(TaskName.GET_TOTAL_INVOICES)

STATES = (
    RunState.DONE,
    RunState.DONE,
    RunState.FAILED,
    RunState.MISSED,
    RunState.SKIPPED,
    RunState.RUNNING,
    RunState.DONE,
)


def fill(texts: Sequence[str]) -> None:
    """Add schedules, change them, and write runs of the past days."""
    crontab = {"task": TASK, "kind": "crontab", "timezone": "Europe/Stockholm"}
    with unit_of_work() as connection:
        edits.add(connection, NIGHTLY, {**crontab, "crontab": "30 2 * * *"}, ANN)
        edits.add(connection, HOURLY, {**crontab, "crontab": "0 * * * mon-fri"}, BOB)
        edits.add(connection, PAUSED, {"task": TASK, "every_seconds": 5400}, ANN)
        edits.edit(connection, NIGHTLY, {"crontab": "15 2 * * *"}, ANN)
        edits.edit(connection, NIGHTLY, {"timezone": "America/New_York"}, BOB)
        services.pause(connection, PAUSED, BOB, utcnow() + timedelta(days=2))
        services.skip_next(connection, HOURLY, ANN)
        services.run_now(connection, HOURLY, BOB)
        _add_runs(connection, NIGHTLY)
    _describe(texts)


def _add_runs(connection: Connection, name: str) -> None:
    schedule = queries.find(connection, name)
    newest = utcnow().replace(minute=15, second=0, microsecond=0)
    for days in range(21):
        state = STATES[days % len(STATES)] if days else RunState.DONE
        slot = newest - timedelta(days=days + 1)
        connection.execute(insert(RUNS).values(_run(schedule.id, slot, state)))


def _run(schedule_id: object, slot: datetime, state: RunState) -> dict[str, object]:
    notes = {
        RunState.DONE: "2026-W46: 12 totals",
        RunState.FAILED: "OperationalError: the database is locked",
        RunState.MISSED: "beat was not running",
        RunState.SKIPPED: "skipped by bob@example.com",
    }
    reason = Reason.SLOT
    row = runs.new_run(schedule_id, slot, reason, state, now=slot, note=notes.get(state))  # type: ignore[arg-type]
    if state in {RunState.DONE, RunState.FAILED, RunState.RUNNING}:
        began = slot + timedelta(milliseconds=180)
        ended = None if state == RunState.RUNNING else began + timedelta(seconds=2.5)
        row |= {"sent_at": slot, "started_at": began, "finished_at": ended}
    return row


def _describe(texts: Sequence[str]) -> None:
    """Give a schedule each text as its description in turn; the last that fits stays."""
    for text in texts:
        try:
            with unit_of_work() as connection:
                edits.edit(
                    connection, PAUSED, {"description": text[:500]}, By(text[:200], text[:500])
                )
        except InputError:
            continue
