"""The worker's side: a run's end is written, and none is lost to a database that is away."""

from collections.abc import Callable
from uuid import UUID

import pytest
from celery.exceptions import Reject
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from core.db import insist
from core.schedules import running
from core.schedules import runs as run_rows
from tests.core.schedules.beat import Beat, hourly, runs
from tests.core.schedules.conftest import Clock


@pytest.fixture
def run_id(beat: Beat, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose message is with the broker; waits between tries are short here."""
    monkeypatch.setattr(running, "LONG", (0.0, 0.0))
    hourly()
    beat.run_until("2026-10-19T13:00")
    return beat.broker.sent[0].run_id


def away(*_args: object, **_values: object) -> bool:
    raise OperationalError("UPDATE", {}, Exception("server closed the connection"))


def test_the_end_of_a_run_is_in_the_ledger(run_id: str, clock: Clock) -> None:
    assert running.tracked(run_id, lambda: "7 sent") == "7 sent"

    [run] = runs()
    assert (run.state, run.note) == ("done", "7 sent")
    assert run.started_at == run.finished_at == clock()


def test_a_failure_is_in_the_ledger_and_goes_on(run_id: str) -> None:
    def fail() -> None:
        raise LookupError("x" * 600)

    with pytest.raises(LookupError):
        running.tracked(run_id, fail)

    [run] = runs()
    assert run.state == "failed"
    assert run.note == ("LookupError: " + "x" * 600)[:500]


def test_a_second_message_does_nothing(run_id: str) -> None:
    running.tracked(run_id, lambda: "first")

    assert running.tracked(run_id, lambda: pytest.fail("twice")) == "already taken"


def test_without_the_database_the_message_goes_back(
    run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(run_rows, "begin_run", away)
        with pytest.raises(Reject) as rejected:
            running.tracked(run_id, lambda: pytest.fail("not taken"))
    assert rejected.value.args[1] is True

    assert running.tracked(run_id, lambda: "later", is_redelivered=True) == "later"


def test_a_commit_whose_answer_was_lost_does_not_lose_the_run(
    run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = insist

    def answer_lost(work: Callable[[Connection], bool], waits: tuple[float, ...]) -> bool:
        assert again(work, waits)
        return again(work, waits)

    with monkeypatch.context() as patch:
        patch.setattr(running, "insist", answer_lost)
        is_ours = running._begin(UUID(run_id), is_redelivered=False)

    assert is_ours
    assert runs()[0].state == "running"
