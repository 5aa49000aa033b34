"""The schedule in real processes: what beat sends, a worker writes into the ledger."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from core.clock import utcnow
from tests.end_to_end import jobs
from tests.end_to_end.desk import Desk, unique

pytestmark = pytest.mark.processes


def schedule(desk: Desk, *arguments: str) -> str:
    done = desk.kuvert.manage("schedule", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def runs(desk: Desk, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(schedule(desk, "history", name, "--json"))
    return found


def test_a_run_by_hand_is_done_and_says_so(shared: Desk) -> None:
    name = "get-total-invoices"
    schedule(shared, "run", name, "--reason", "asked for")

    shared.expect(lambda: runs(shared, name)[0]["state"] == "done", 20, "the run is done")

    [run] = runs(shared, name)
    assert run["reason"] == "manual"
    assert run["note"].endswith(" totals; not mailed: KUVERT_REPORT_TO is not set")
    assert run["started_at"] <= run["finished_at"]
    # A quick worker takes the run before beat has written that it is sent.
    assert run["sent_at"] is None or run["sent_at"] <= run["finished_at"]


def test_an_entry_of_ones_own_runs_and_is_changed_while_beat_runs(shared: Desk) -> None:
    name = unique("entry").lower()
    schedule(shared, "add", name, "--task", "tasks.getDueStatuses", "--every", "86400")
    assert runs(shared, name) == []

    schedule(shared, "edit", name, "--every", "1")
    shared.expect(lambda: "done" in {run["state"] for run in runs(shared, name)}, 20, "a run")
    schedule(shared, "edit", name, "--disable")

    assert runs(shared, name)[-1]["reason"] == "slot"


@pytest.mark.parametrize("backend", ["postgresql", pytest.param("mysql", marks=pytest.mark.storm)])
def test_s13_beat_outlives_a_database_that_is_away(backend: str, tmp_path: Path) -> None:
    with jobs.behind_proxy(backend, tmp_path) as (own, proxy):
        jobs.add(own, "job", 2)
        own.expect(lambda: len(jobs.runs(own)) >= 2, 30, "first runs")
        beat = own.kuvert.children["beat"]
        pid = beat.process.pid
        with proxy.away():
            time.sleep(8)
        back_at, began = utcnow(), time.monotonic()
        own.expect(lambda: jobs.runs(own)[-1].claimed_at > back_at, 15, "it goes on")
        seconds = time.monotonic() - began
        jobs.finish(own)

        assert (beat.is_running, beat.process.pid) == (True, pid)
        assert jobs.missing_slots(jobs.runs(own)) == set()
        assert {run.state for run in jobs.runs(own)} <= {"done", "failed"}
        assert seconds <= 6
