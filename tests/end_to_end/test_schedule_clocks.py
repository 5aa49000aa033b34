"""Beats, workers and editors on hosts whose clocks are ten minutes off, in either direction."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, select

from core.clock import utcnow
from core.schedules.rows import SCHEDULES
from tests.end_to_end import jobs
from tests.end_to_end.desk import Desk, installation
from tests.support.brokers import virtual_host
from tests.support.databases import new_database
from tests.support.processes import Child

pytestmark = [pytest.mark.processes, pytest.mark.storm]

OTHER_CLOCK = (sys.executable, "-m", "tests.support.other_clock")
WARNING = "this host's clock and the database's differ"
AHEAD, BEHIND = (*OTHER_CLOCK, "600"), (*OTHER_CLOCK, "-600")


@contextmanager
def hosts(backend: str, folder: Path) -> Iterator[Desk]:
    """Yield a desk whose first beat is ahead, whose second and whose worker are behind."""
    with ExitStack() as stack:
        url, _ = stack.enter_context(new_database(backend, folder))
        broker_url = stack.enter_context(virtual_host())
        kuvert = stack.enter_context(installation(folder, url, broker_url))
        kuvert.start("worker", (*BEHIND, "worker"))
        kuvert.start("beat1", (*AHEAD, "beat"))
        kuvert.wait_until_ready("worker", "beat1")
        yield Desk(kuvert, backend, broker_url)


@pytest.mark.parametrize("backend", ["postgresql", "mysql"])
def test_hosts_whose_clocks_differ_run_each_slot_once_and_in_time(
    backend: str, tmp_path: Path
) -> None:
    with hosts(backend, tmp_path) as own:
        ahead = own.kuvert.children["beat1"]
        # A message that waits for longer is dropped; by the worker's clock it came out of nothing.
        jobs.add(own, "job", 2, expires_seconds=30)
        own.expect(lambda: len(jobs.runs(own)) >= 3, 30, "runs by the beat that is ahead")
        behind = own.kuvert.start("beat2", (*BEHIND, "beat"))
        own.expect(lambda: "standing by" in behind.own_output(), 30, "the second stands by")

        in_force = _edit_on_the_host_behind(own)
        first = _seconds_to_take_over(own, ahead, behind)
        ahead.start()
        own.expect(lambda: "standing by" in ahead.own_output(), 30, "the first stands by")
        second = _seconds_to_take_over(own, behind, ahead)
        time.sleep(4)
        jobs.finish(own)

        found = jobs.runs(own)
        late = [(run.started_at - run.slot_at).total_seconds() for run in found]
        print(
            f"{backend}: {len(found)} slots, started {min(late):.2f} to {max(late):.1f} s after; "
            f"an edit in force after {in_force:.2f} s; "
            f"taken over after {first:.1f} s and {second:.1f} s"
        )
        assert len({(run.name, run.slot_at) for run in found}) == len(found)
        assert jobs.missing_slots([run for run in found if run.name == "job"]) == set()
        assert {run.state for run in found} == {"done"}
        assert set(jobs.really_ran(own.kuvert.children["worker"]).values()) == {1}
        assert min(late) >= 0
        assert max(late) <= 30
        assert in_force <= 2
        assert max(first, second) <= 6
        # G18.
        silent = [
            name for name, child in own.kuvert.children.items() if WARNING not in child.output()
        ]
        assert silent == []


def _edit_on_the_host_behind(own: Desk) -> float:
    """Let a daily schedule run each second; return the seconds from that to its first slot."""
    jobs.add(own, "job edited", jobs.DAY)
    own.expect(lambda: _is_planned(own), 10, "it is planned")
    edit = ("schedule", "edit", "job edited", "--every", "1")
    done = own.kuvert.manage(*edit, program=BEHIND)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("nothing runs now")
    own.expect(lambda: _edited(own), 10, "a first run")
    with own.kuvert.database.single() as connection:
        mine = SCHEDULES.c.name == "job edited"
        edited_at = connection.scalar(select(SCHEDULES.c.updated_at).where(mine))
    [first, *_] = _edited(own)
    assert edited_at is not None
    assert abs(utcnow() - edited_at) < timedelta(minutes=1)
    # Its first slot is to come, not one of the ten minutes that the editor's host is behind.
    assert first.slot_at > edited_at
    return float((first.claimed_at - edited_at).total_seconds())


def _is_planned(own: Desk) -> bool:
    mine = SCHEDULES.c.name == "job edited"
    with own.kuvert.database.single() as connection:
        return bool(connection.scalar(select(SCHEDULES.c.is_planned).where(mine)))


def _edited(own: Desk) -> list[Row[Any]]:
    return [run for run in jobs.runs(own) if run.name == "job edited"]


def _seconds_to_take_over(own: Desk, leader: Child, follower: Child) -> float:
    leader.kill()
    began = time.monotonic()
    own.expect(lambda: jobs.leads(follower), 30, "the other beat leads")
    return time.monotonic() - began
