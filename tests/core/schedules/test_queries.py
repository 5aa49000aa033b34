"""What people are shown: rows in words, runs with their lag, what comes, who leads."""

from datetime import timedelta

import pytest

from core.db import reading, unit_of_work
from core.editing import By
from core.errors import ConflictError, InputError, NotFoundError
from core.schedules import edits, history, queries, services
from core.schedules.edits import Draft
from core.schedules.queries import Coming, Line, State
from tests.core.schedules.beat import ARGS, TASK, WHO, Beat, add, edit, hourly, row, runs, sql, work
from tests.core.schedules.conftest import Clock
from tests.core.schedules.support import STOCKHOLM, utc


def lines() -> dict[str, Line]:
    with reading() as connection:
        return {line.name: line for line in queries.lines(connection)}


def coming(hours: float = 24) -> dict[str, Coming]:
    with reading() as connection:
        found = queries.coming(connection, timedelta(hours=hours))
    return {one.name: one for one in found}


# ---- the list ----


@pytest.mark.every_database
def test_a_line_says_when_what_and_how_it_went(beat: Beat, clock: Clock) -> None:
    hourly()
    add("never", crontab="0 23 * * 1", timezone=STOCKHOLM)
    beat.run_until("2026-10-19T13:00")
    work(beat.broker.sent[0].run_id, [])

    found = lines()

    assert list(found) == ["job", "never"]
    assert found["never"].words == "Mondays at 23:00, Europe/Stockholm"
    assert found["never"].last is None
    assert found["job"].state is State.ON
    assert found["job"].next_slot_at == utc("2026-10-19T14:00")
    assert found["job"].last
    assert found["job"].last.state == "done"
    assert not found["job"].is_builtin


@pytest.mark.every_database
def test_the_last_run_is_not_one_that_was_skipped_ahead(beat: Beat) -> None:
    hourly()
    beat.run_until("2026-10-19T13:00")
    with unit_of_work() as connection:
        services.skip_next(connection, "job", WHO)

    last = lines()["job"].last

    assert last
    assert last.slot_at == utc("2026-10-19T13:00")


def test_the_state_is_said_in_words(beat: Beat) -> None:
    for name in ("on", "off", "paused", "for a while", "broken"):
        hourly(name)
    edit("off", is_enabled=False)
    with unit_of_work() as connection:
        services.pause(connection, "paused", By("ann", "year's end"))
        until = utc("2026-10-20T06:00")
        services.pause(connection, "for a while", By("ann", "a holiday"), until)
    sql("UPDATE schedules SET crontab = '99 * * * *' WHERE name = 'broken'")
    beat.turn()

    words = {name: (line.state, line.state_words) for name, line in lines().items()}

    assert words == {
        "on": (State.ON, "on"),
        "off": (State.OFF, "off"),
        "paused": (State.PAUSED, "paused: year's end"),
        "for a while": (State.PAUSED, "paused until 2026-10-20 06:00Z: a holiday"),
        "broken": (State.BROKEN, "broken: minute: 99 is outside 0-59"),
    }


@pytest.mark.parametrize("column", ["created_at", "next_due_at", "end_at", "id"])
def test_an_unreadable_row_is_listed_and_stops_no_other_in_sqlite(beat: Beat, column: str) -> None:
    hourly("bad")
    hourly("good")
    beat.turn()
    sql(f"UPDATE schedules SET {column} = '' WHERE name = 'bad'")  # noqa: S608

    found = lines()
    beat.run_until("2026-10-19T13:00")

    assert found["good"].state is State.ON
    assert found["bad"].state is State.BROKEN
    assert found["bad"].error
    assert [run.state for run in runs("good")] == ["sent"]


def test_an_unreadable_row_is_refused_in_words(beat: Beat) -> None:
    hourly()
    sql("UPDATE schedules SET created_at = 'yesterday'")

    with reading() as connection, pytest.raises(InputError, match="row of job cannot be read"):
        queries.find(connection, "job")
    with pytest.raises(InputError, match="row of job cannot be read"):
        edit(description="x")


# ---- runs ----


@pytest.mark.every_database
def test_a_run_says_how_late_it_was_and_how_long_it_took(beat: Beat, clock: Clock) -> None:
    hourly()
    beat.run_until("2026-10-19T14:00")
    clock.wait(3)
    work(beat.broker.sent[0].run_id, [])

    with reading() as connection:
        newest, first = history.history(connection, "job")
        [older] = history.history(connection, "job", before=newest.slot_at)

    assert first.lag == timedelta(hours=1, seconds=3)
    assert first.duration == timedelta(0)
    assert (newest.lag, newest.duration) == (None, None)
    assert older == first


# ---- what comes ----


@pytest.mark.every_database
def test_the_runs_of_a_day_are_listed_by_schedule(beat: Beat) -> None:
    hourly("hours")
    add("later", crontab="0 9 * * *")
    hourly("off")
    edit("off", is_enabled=False)
    hourly("skipped")
    with unit_of_work() as connection:
        services.skip_next(connection, "skipped", WHO)

    found = coming()

    assert list(found) == ["hours", "skipped", "later"]
    assert len(found["hours"].slots) == 24
    assert found["hours"].slots[0] == utc("2026-10-19T13:00")
    assert found["skipped"].slots[0] == utc("2026-10-19T14:00")
    assert found["later"].slots == (utc("2026-10-20T09:00"),)


def test_a_frequent_schedule_is_cut(beat: Beat) -> None:
    add("often", every_seconds=10)
    add("just", every_seconds=300)

    found = coming()

    assert (len(found["often"].slots), found["often"].is_cut) == (queries.MOST_SLOTS, True)
    assert (len(found["just"].slots), found["just"].is_cut) == (queries.MOST_SLOTS, False)


def test_not_more_schedules_than_a_chart_can_show(
    beat: Beat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MOST_SCHEDULES", 2)
    for number in range(3):
        add(f"job {number}", every_seconds=60 * (number + 1))

    assert list(coming()) == ["job 0", "job 1"]


# ---- beat ----


@pytest.mark.every_database
def test_who_leads_and_how_long_ago_it_gave_a_sign(beat: Beat, clock: Clock) -> None:
    with reading() as connection:
        assert queries.beat_status(connection).seen_at is None
    beat.turn()
    clock.wait(3)
    with reading() as connection:
        status = queries.beat_status(connection)
    assert status.leader
    assert status.age == timedelta(seconds=3)

    clock.wait(600)
    with reading() as connection:
        status = queries.beat_status(connection)
    assert status.leader is None
    assert status.since is None
    assert status.age == timedelta(seconds=603)


def test_a_beat_that_stopped_was_seen_when_it_did(beat: Beat, clock: Clock) -> None:
    beat.turn()
    clock.wait(1)
    beat.scheduler.close()
    clock.wait(60)

    with reading() as connection:
        status = queries.beat_status(connection)

    assert (status.leader, status.age) == (None, timedelta(seconds=60))


# ---- trying an edit ----


def draft(name: str | None, **values: object) -> Draft:
    with reading() as connection:
        return edits.draft(connection, name, values)


@pytest.mark.every_database
def test_an_edit_can_be_tried_without_saving_it(beat: Beat) -> None:
    hourly()
    before = row()

    tried = draft("job", crontab="30 2 * * *", timezone=STOCKHOLM)

    assert tried.difference == (
        "next run moves from Mon 13:00 UTC to Tue 02:30 Europe/Stockholm; nothing runs now"
    )
    assert tried.preview.description == "every day at 02:30, Europe/Stockholm"
    assert len(tried.preview.runs) == 5
    assert [note[:10] for note in tried.preview.warnings] == ["2026-10-25", "2027-03-28"]
    assert row() == before


def test_a_new_schedule_can_be_tried(beat: Beat) -> None:
    tried = draft(None, task=TASK, args=ARGS, every_seconds=600)

    assert tried.difference == "next run is Mon 12:10; there was none; nothing runs now"
    assert tried.preview.runs[0].utc == utc("2026-10-19T12:10")


@pytest.mark.parametrize(
    ("name", "values", "error"),
    [
        ("job", {"crontab": "61 * * * *"}, InputError),
        ("job", {"colour": "red"}, InputError),
        (None, {"task": TASK, "args": ARGS, "kind": "once"}, InputError),
        ("nobody", {"crontab": "1 * * * *"}, NotFoundError),
    ],
)
def test_what_cannot_be_saved_cannot_be_tried(
    beat: Beat, name: str | None, values: dict[str, object], error: type[Exception]
) -> None:
    hourly()

    with pytest.raises(error):
        draft(name, **values)


def test_turning_off_is_no_move(beat: Beat) -> None:
    hourly()

    assert draft("job", is_enabled=False).difference.startswith("it is turned off")
    edit(is_enabled=False)
    assert draft("job", crontab="5 * * * *").difference == "no run is left, as before"
    assert draft("job", is_enabled=True).difference == (
        "next run is Mon 13:00; there was none; nothing runs now"
    )


# ---- deleting, silencing ----


@pytest.mark.every_database
def test_what_was_deleted_runs_no_more_and_can_still_be_read(beat: Beat) -> None:
    hourly()
    beat.run_until("2026-10-19T13:00")
    edit(description="for people")
    beat.clock.wait(1)
    with unit_of_work() as connection:
        services.run_now(connection, "job", WHO)
        services.remove(connection, "job", By("ann", "not needed"))
    beat.run_until("2026-10-19T15:00")

    assert len(beat.broker.sent) == 1
    assert list(lines()) == []
    with reading() as connection:
        told = [(run.state, run.note) for run in history.history(connection, "job")]
        deleted, edited, added = history.changes(connection, "job")
    assert told == [("skipped", "job was deleted by ann"), ("skipped", "job was deleted by ann")]
    assert (deleted.actor, deleted.comment, deleted.after) == ("ann", "not needed", {})
    assert deleted.before["crontab"] == '"0 * * * *"'
    assert edited.schedule_name == added.schedule_name == "job"


@pytest.mark.every_database
def test_a_run_under_way_ends_although_its_schedule_is_deleted(beat: Beat) -> None:
    hourly()
    beat.run_until("2026-10-19T13:00")
    [message] = beat.broker.sent

    def remove(_run_id: str) -> None:
        with unit_of_work() as connection:
            services.remove(connection, "job", WHO)

    work(message.run_id, _Calling(remove))

    with reading() as connection:
        [run] = history.history(connection, "job")
    assert run.state == "done"


class _Calling(list[str]):
    """A list whose append does something else."""

    def __init__(self, act: object) -> None:
        self._act = act

    def append(self, item: str) -> None:
        self._act(item)  # type: ignore[operator]


def test_a_name_that_was_deleted_is_free(beat: Beat) -> None:
    hourly()
    with unit_of_work() as connection:
        services.remove(connection, "job", WHO)

    add(crontab="30 * * * *")

    with reading() as connection:
        assert len(history.changes(connection, "job")) == 1


def test_what_is_built_in_is_not_deleted(beat: Beat) -> None:
    hourly()
    sql("UPDATE schedules SET origin = 'builtin'")

    with unit_of_work() as connection, pytest.raises(ConflictError, match="turn it off instead"):
        services.remove(connection, "job", WHO)


@pytest.mark.every_database
def test_a_run_that_failed_raises_an_alarm_until_somebody_silences_it(beat: Beat) -> None:
    hourly()
    beat.run_until("2026-10-19T13:00")
    with pytest.raises(LookupError):
        work(beat.broker.sent[0].run_id, _Calling(_fail))

    assert lines()["job"].alarm == (
        "the run of 2026-10-19 13:00Z failed: LookupError: no such table"
    )
    assert row().version == 1

    with unit_of_work() as connection:
        assert services.silence(connection, "job", WHO)
        assert not services.silence(connection, "job", WHO)
    assert lines()["job"].alarm is None


def _fail(_item: str) -> None:
    raise LookupError("no such table")


def test_changes_of_all_schedules_come_together(beat: Beat, clock: Clock) -> None:
    hourly("a")
    clock.wait(1)
    hourly("b")
    clock.wait(-1)
    edit("a", description="by a clock that is behind")

    with reading() as connection:
        found = history.all_changes(connection, 3)

    assert [change.schedule_name for change in found] == ["b", "a", "a"]


# ---- skipping ----


@pytest.mark.every_database
def test_a_skipped_slot_is_not_shown_as_the_next_one_after_an_edit(beat: Beat) -> None:
    hourly()
    with unit_of_work() as connection:
        services.skip_next(connection, "job", WHO)

    edit(crontab="0 */1 * * *")
    assert row().next_slot_at == utc("2026-10-19T14:00")

    sql("UPDATE schedules SET crontab = '0 * * * *'")
    beat.turn()
    assert row().next_slot_at == utc("2026-10-19T14:00")


@pytest.mark.every_database
def test_a_slot_that_is_in_the_ledger_cannot_be_skipped(beat: Beat) -> None:
    hourly()
    beat.run_until("2026-10-19T13:00")
    sql("UPDATE schedules SET next_slot_at = :at", at=_as_kept(utc("2026-10-19T13:00")))

    with unit_of_work() as connection, pytest.raises(ConflictError, match="in the ledger already"):
        services.skip_next(connection, "job", WHO)

    assert [run.state for run in runs()] == ["sent"]


def _as_kept(moment: object) -> object:
    """Return a moment as every engine takes it from plain SQL."""
    return f"{moment:%Y-%m-%d %H:%M:%S.000000}"
