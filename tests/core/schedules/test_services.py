"""What staff do with a schedule: pause, resume, skip, run, edit, undo; each with who and why."""

import json
from typing import Any

import pytest
from sqlalchemy import Row

from core.db import reading, unit_of_work
from core.editing import By
from core.errors import ConflictError, InputError, NotFoundError
from core.schedules import edits, history, queries, services
from core.schedules.models import RunState
from core.schedules.preview import preview
from tests.core.schedules.beat import WHO, Beat, add, edit, hourly, in_state, row, runs, sql
from tests.core.schedules.conftest import Clock
from tests.core.schedules.support import utc

BERTA = By("berta", "later")


def do(verb: Any, *arguments: Any) -> Any:  # noqa: ANN401
    """Do one of the services in a unit of work, with the schedule `job`."""
    with unit_of_work() as connection:
        return verb(connection, "job", *arguments)


def changes() -> list[Row[Any]]:
    with reading() as connection:
        return history.changes(connection, "job")


# ---- pause and resume ----


def test_a_pause_holds_until_somebody_resumes(beat: Beat, clock: Clock) -> None:
    hourly()
    do(services.pause, WHO)
    beat.run_until("2026-10-19T15:30")
    assert runs() == []

    do(services.resume, BERTA)
    beat.run_until("2026-10-19T16:30")

    assert beat.sent() == ["10-19 16:00"]
    assert row().alarm is None


def test_a_pause_with_an_end_goes_on_by_itself(beat: Beat) -> None:
    hourly()
    do(services.pause, WHO, utc("2026-10-19T15:00"))

    beat.run_until("2026-10-19T16:30")

    assert beat.sent() == ["10-19 16:00"]


def test_a_pause_says_why(beat: Beat) -> None:
    hourly()

    do(services.pause, By("anna", "year's end"))

    assert row().pause_reason == "year's end"
    with pytest.raises(InputError, match="say why"):
        do(services.pause, By("anna"))


def test_a_pause_that_ends_in_the_past_is_refused(beat: Beat) -> None:
    hourly()

    with pytest.raises(InputError, match="past"):
        do(services.pause, WHO, utc("2026-10-19T11:00"))


def test_an_edit_does_not_end_a_pause(beat: Beat) -> None:
    hourly()
    do(services.pause, WHO)

    edit(crontab="*/5 * * * *")
    beat.run_until("2026-10-19T13:00")

    assert runs() == []


# ---- skip, run ----


def test_a_skipped_slot_is_in_the_ledger_and_not_sent(beat: Beat) -> None:
    hourly()

    after = do(services.skip_next, WHO)
    beat.run_until("2026-10-19T14:30")

    assert after == utc("2026-10-19T14:00")
    assert beat.sent() == ["10-19 14:00"]
    [skipped, _] = runs()
    assert (skipped.state, skipped.actor) == ("skipped", "anna")
    assert skipped.note == "skipped by anna: because"


@pytest.mark.every_database
def test_a_skipped_slot_stays_skipped_when_it_is_planned_anew(beat: Beat) -> None:
    hourly()
    do(services.skip_next, WHO)

    edit(crontab="0 */1 * * *")
    beat.run_until("2026-10-19T13:30")

    assert beat.sent() == []
    assert in_state(RunState.SKIPPED) == ["10-19 13:00"]


def test_there_must_be_a_run_to_skip(beat: Beat) -> None:
    hourly()
    edit(is_enabled=False)

    with pytest.raises(ConflictError, match="no next run"):
        do(services.skip_next, WHO)


def test_a_run_by_hand_waits_for_no_other_unless_it_must(beat: Beat, clock: Clock) -> None:
    hourly(overlap="skip")
    do(services.run_now, WHO)
    clock.wait(1)

    with pytest.raises(ConflictError, match="does not run twice"):
        do(services.run_now, WHO)

    edit(overlap="allow")
    do(services.run_now, WHO)
    assert len(runs()) == 2


def test_a_broken_schedule_is_not_run_by_hand(beat: Beat) -> None:
    hourly()
    sql("UPDATE schedules SET args = '[oops'")

    with pytest.raises(InputError, match="not JSON"):
        do(services.run_now, WHO)


def test_what_is_off_can_still_be_run_by_hand(beat: Beat) -> None:
    hourly()
    edit(is_enabled=False)

    do(services.run_now, WHO)
    beat.turn()

    assert len(beat.sent()) == 1


# ---- edit ----


@pytest.mark.every_database
def test_s25_of_two_who_edit_the_same_row_the_second_is_told(beat: Beat) -> None:
    hourly()
    seen = row().version
    do(edits.edit, {"description": "anna's"}, WHO, seen)

    with pytest.raises(ConflictError, match="changed by anna at 2026-10-19 12:00Z; look again"):
        do(edits.edit, {"description": "berta's"}, BERTA, seen)

    assert row().description == "anna's"


@pytest.mark.every_database
def test_s25_every_save_says_who_why_and_from_what_to_what(beat: Beat) -> None:
    hourly()
    do(edits.edit, {"crontab": "30 * * * *", "catchup": "all"}, BERTA)

    newest, first = changes()
    assert (newest.actor, newest.comment) == ("berta", "later")
    assert {key: json.loads(value) for key, value in newest.before.items()} == {
        "crontab": "0 * * * *",
        "catchup": "latest",
    }
    assert {key: json.loads(value) for key, value in newest.after.items()} == {
        "crontab": "30 * * * *",
        "catchup": "all",
    }
    assert (first.actor, first.before) == ("anna", {})
    assert row().updated_by == "berta"
    assert row().version == 2


def test_s24_two_day_fields_are_warned_of(beat: Beat) -> None:
    add(crontab="0 0 13 * 5")
    timing = queries.timing_or_none(row())
    assert timing

    shown = preview(timing, start=utc("2026-11-01T00:00"), count=9)

    assert len(shown.warnings) == 1
    assert shown.runs[-1].utc < utc("2027-01-01T00:00")


def test_a_save_without_a_change_writes_nothing(beat: Beat) -> None:
    hourly()

    edit(crontab="0 * * * *")

    assert row().version == 1
    assert len(changes()) == 1


def test_every_verb_leaves_a_change(beat: Beat) -> None:
    hourly()
    do(services.pause, WHO)
    do(services.resume, WHO)
    do(services.skip_next, WHO)
    sql("UPDATE schedules SET alarm = '3 missed'")
    do(services.silence, WHO)

    assert [sorted(change.after) for change in changes()][:4] == [
        ["alarm"],
        ["next_slot_at"],
        ["pause_reason", "paused_at", "paused_until"],
        ["pause_reason", "paused_at", "paused_until"],
    ]
    assert row().alarm is None


def test_the_task_of_a_built_in_schedule_is_locked(beat: Beat) -> None:
    hourly()
    sql("UPDATE schedules SET origin = 'builtin'")

    for change in ({"task": "tasks.createdStatus"}, {"args": "[1]"}):
        with pytest.raises(InputError, match="built-in"):
            do(edits.edit, change, WHO)

    do(edits.edit, {"crontab": "5 * * * *"}, WHO)
    assert row().crontab == "5 * * * *"


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"task": "tasks.nothing"}, "/task"),
        ({"args": "[oops"}, "/args"),
        ({"args": "{}"}, "/args"),
        ({"args": "[" * 50_000}, "/args"),
        ({"catchup": "sometimes"}, "/catchup"),
        ({"overlap": "perhaps"}, "/overlap"),
        ({"expires_seconds": 0}, "/expires_seconds"),
        ({"max_run_seconds": -1}, "/max_run_seconds"),
        ({"catchup_window_seconds": 10**9}, "/catchup_window_seconds"),
        ({"crontab": "61 * * * *"}, "/crontab"),
        ({"timezone": "Mars/Base"}, "/timezone"),
        ({"kind": "moon"}, "/kind"),
        ({"origin": "builtin"}, "/origin"),
        ({"next_slot_at": None}, "/next_slot_at"),
    ],
)
def test_a_refusal_names_its_field_and_writes_nothing(
    beat: Beat, values: dict[str, Any], where: str
) -> None:
    hourly()
    before = row()

    with pytest.raises(InputError) as refused:
        do(edits.edit, values, WHO)

    assert [finding.where for finding in refused.value.findings] == [where]
    assert row() == before


def test_a_name_is_taken_once(beat: Beat) -> None:
    hourly()

    with pytest.raises(ConflictError, match="already"):
        hourly()


@pytest.mark.parametrize("name", ["", " job", "job\n", "j" * 101, "a\x00b"])
def test_a_name_can_be_read(beat: Beat, name: str) -> None:
    with pytest.raises(InputError, match="1 to 100 characters"):
        hourly(name)


def test_an_unknown_name_is_said(beat: Beat) -> None:
    with pytest.raises(NotFoundError, match="no schedule is called job"):
        do(services.resume, WHO)


# ---- undo ----


def test_undo_takes_the_last_edit_back(beat: Beat) -> None:
    hourly(start_at=utc("2026-10-19T11:00"))
    edit(crontab="30 * * * *", start_at=None, description="half past")

    sentence = do(edits.undo, BERTA)

    found = row()
    assert (found.crontab, found.description) == ("0 * * * *", None)
    assert found.start_at == utc("2026-10-19T11:00")
    assert found.next_slot_at == utc("2026-10-19T13:00")
    assert sentence == "next run moves from Mon 12:30 to Mon 13:00; nothing runs now"


def test_undo_passes_over_a_pause(beat: Beat) -> None:
    hourly()
    edit(crontab="30 * * * *")
    do(services.pause, WHO)

    do(edits.undo, BERTA)

    assert row().crontab == "0 * * * *"
    assert row().paused_at is not None


def test_without_an_edit_there_is_nothing_to_undo(beat: Beat) -> None:
    hourly()

    with pytest.raises(ConflictError, match="nothing of job was changed"):
        do(edits.undo, WHO)


# ---- books ----


def test_who_leads_is_said_while_it_does(beat: Beat, clock: Clock) -> None:
    with reading() as connection:
        assert queries.leader(connection) is None
    beat.turn()
    with reading() as connection:
        assert (queries.leader(connection) or "").endswith("leads since 2026-10-19T12:00:00Z")
    clock.wait(16)

    with reading() as connection:
        assert queries.leader(connection) is None


def test_the_newest_runs_come_first(beat: Beat) -> None:
    hourly()
    beat.run_until("2026-10-19T16:00")

    with reading() as connection:
        found = history.history(connection, "job", 2)

    assert [run.slot_at.hour for run in found] == [16, 15]
