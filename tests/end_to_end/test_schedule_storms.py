"""The schedule under kill -9 and without its database, in real processes (RELIABILITY P10)."""

import itertools
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from sqlalchemy import Row, create_engine, insert, make_url, select, text, update

from core.clock import utcnow
from core.database import Database
from core.ids import new_id
from core.schedules.models import Schedule, ScheduleRun
from tests.end_to_end.desk import BACKENDS, Desk, desk, installation
from tests.support.brokers import virtual_host
from tests.support.databases import new_database
from tests.support.processes import Child, wait_until
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.processes, pytest.mark.storm]

SEED = int(os.environ.get("STORM_SEED", "1"))
KILLS = {"postgresql": 100, "mysql": 20, "sqlite": 20}
LONGEST_GAP = {"postgresql": 5.0, "mysql": 8.0, "sqlite": 8.0}
SECONDS = (2, 3, 4, 5)
BEATS = ("beat1", "beat2")
DAY = 86_400

SCHEDULES = Schedule.__table__
RUNS = ScheduleRun.__table__
FINISHED = re.compile(r"Task tasks\.sendInvoice\[([0-9a-f-]{36})\] succeeded in [^:]*: (.*)")


def add(desk: Desk, name: str, seconds: int, **values: object) -> None:
    """Enter a schedule by SQL alone; beat plans it. What it runs is a batch of an unknown id."""
    row: dict[str, Any] = dict.fromkeys(SCHEDULES.c.keys())
    row |= {"id": new_id(), "name": name, "task": "tasks.sendInvoice", "kind": "interval"}
    row |= {"args": json.dumps([str(new_id()), [str(new_id())]]), "every_seconds": seconds}
    row |= {"offset_seconds": 0, "jitter_seconds": 0, "timezone": "UTC", "is_enabled": True}
    row |= {"catchup": "all", "catchup_window_seconds": DAY, "overlap": "allow"}
    row |= {"max_run_seconds": 3600, "origin": "staff", "is_planned": False, "plan_number": 1}
    row |= {"version": 1, "created_at": utcnow(), "updated_at": utcnow(), **values}
    with desk.kuvert.database.engine.begin() as connection:
        connection.execute(insert(SCHEDULES).values(row))


def runs(desk: Desk) -> list[Row[Any]]:
    """Return the runs of all jobs with their schedule's name and step, oldest slot first."""
    statement = (
        select(SCHEDULES.c.name, SCHEDULES.c.every_seconds, RUNS)
        .join(RUNS, RUNS.c.schedule_id == SCHEDULES.c.id)
        .where(SCHEDULES.c.name.like("job%"))
        .order_by(SCHEDULES.c.name, RUNS.c.slot_at)
    )
    with desk.kuvert.database.single() as connection:
        return list(connection.execute(statement))


def turn_off(desk: Desk) -> None:
    """Let no further slot come."""
    jobs = SCHEDULES.c.name.like("job%")
    with desk.kuvert.database.engine.begin() as connection:
        connection.execute(update(SCHEDULES).where(jobs).values(is_enabled=False))


def finish(desk: Desk) -> None:
    """Let no further slot come and wait until no run is on its way any more."""
    turn_off(desk)
    try:
        wait_until(lambda: not on_their_way(desk), 60, "all runs are over")
    except AssertionError as error:
        raise AssertionError(f"{error}: {on_their_way(desk)}") from None


def on_their_way(desk: Desk) -> list[dict[str, Any]]:
    """Return the runs that have not ended."""
    open_states = {"claimed", "sent", "running"}
    return [run._asdict() for run in runs(desk) if run.state in open_states]


def leads(beat: Child) -> bool:
    return "this beat leads" in beat.own_output()


def really_ran(worker: Child) -> Counter[str]:
    """Count, by task id, the messages whose work the worker did."""
    found = FINISHED.findall(worker.output())
    return Counter(run_id for run_id, result in found if "already taken" not in result)


@pytest.mark.parametrize("backend", BACKENDS)
def test_kills_of_beat_lose_and_double_no_slot(backend: str, tmp_path: Path) -> None:
    with desk(backend, tmp_path, "worker", *BEATS) as own:
        for number, seconds in enumerate(SECONDS * 2):
            add(own, f"job {number}", seconds)
        own.expect(lambda: runs(own), 30, "a first run")
        _kill_at_random(own, KILLS[backend], random.Random(SEED), LONGEST_GAP[backend])
        wait_until(lambda: any(leads(own.kuvert.children[name]) for name in BEATS), 60, "a leader")
        time.sleep(12)
        finish(own)

        _judge(own, f"{backend}, seed {SEED}, {KILLS[backend]} kills")


def _kill_at_random(own: Desk, count: int, dice: random.Random, longest: float) -> None:
    """Kill either beat, whoever leads, and start it again at once."""
    for _ in range(count):
        time.sleep(dice.uniform(0.2, longest))
        beat = own.kuvert.children[dice.choice(BEATS)]
        beat.kill()
        beat.start()


def _judge(own: Desk, what: str) -> None:
    found = runs(own)
    by_job = {name: list(some) for name, some in itertools.groupby(found, lambda run: run.name)}
    doubled = sum(count - 1 for count in Counter((r.name, r.slot_at) for r in found).values())
    missing = sum(len(_missing_slots(some)) for some in by_job.values())
    ran = really_ran(own.kuvert.children["worker"])
    late = sorted((run.started_at - run.slot_at).total_seconds() for run in found)
    print(
        f"{what}: {len(found)} slots of {len(by_job)} schedules, {doubled} doubled, "
        f"{missing} missing, {sum(ran.values()) - len(ran)} ids run twice, "
        f"start after the slot: median {median(late):.2f} s, most {late[-1]:.1f} s, "
        f"{sum(item > 60 for item in late)} over 60 s"
    )
    assert len(by_job) == 2 * len(SECONDS)
    assert (doubled, missing) == (0, 0)
    assert Counter(run.state for run in found) == {"done": len(found)}
    assert ran == Counter(str(run.id) for run in found)
    assert sum(item > 60 for item in late) <= 1


def _missing_slots(found: Sequence[Row[Any]]) -> set[datetime]:
    """Return the slots of the grid, from the first run to the last, that have none."""
    step = timedelta(seconds=found[0].every_seconds)
    count = (found[-1].slot_at - found[0].slot_at) // step
    grid = {found[0].slot_at + number * step for number in range(count + 1)}
    return grid - {run.slot_at for run in found}


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_other_beat_takes_over_within_half_a_minute(backend: str, tmp_path: Path) -> None:
    with desk(backend, tmp_path, *BEATS) as own:
        add(own, "job", 1)
        beats = [own.kuvert.children[name] for name in BEATS]
        seconds = []
        for _ in range(2):
            own.expect(lambda: sum(map(leads, beats)) == 1, 30, "one leads")
            leader, follower = sorted(beats, key=leads, reverse=True)
            own.expect(
                lambda: "another beat leads, standing by" in follower.own_output(),  # noqa: B023
                20,
                "the follower says so",
            )
            leader.kill()
            began = time.monotonic()
            own.expect(lambda: leads(follower), 30, "the follower leads")  # noqa: B023
            seconds.append(time.monotonic() - began)
            leader.start()
            own.expect(
                lambda: "standing by" in leader.own_output(),  # noqa: B023
                30,
                "the killed one follows",
            )
            follower.stop()
            follower.start()

        print(f"{backend}: taken over after {', '.join(f'{item:.1f} s' for item in seconds)}")


@contextmanager
def behind_proxy(backend: str, folder: Path) -> Iterator[tuple[Desk, Proxy]]:
    """Yield a desk whose beat and worker reach their database over a way that can be cut."""
    with ExitStack() as stack:
        direct, _ = stack.enter_context(new_database(backend, folder))
        url = make_url(direct)
        assert url.host
        assert url.port
        proxy = stack.enter_context(Proxy(url.host, url.port))
        over = url.set(port=proxy.port).render_as_string(hide_password=False)
        broker_url = stack.enter_context(virtual_host())
        kuvert = stack.enter_context(installation(folder, over, broker_url))
        kuvert.database.close()
        kuvert.database = Database(direct)
        kuvert.start_all("worker", "beat")
        yield Desk(kuvert, backend, broker_url), proxy


@pytest.mark.parametrize("backend", ["postgresql", "mysql"])
def test_a_database_that_was_away_is_caught_up_with(backend: str, tmp_path: Path) -> None:
    with behind_proxy(backend, tmp_path) as (own, proxy):
        add(own, "job all", 2)
        add(own, "job latest", 2, catchup="latest", catchup_window_seconds=60)
        own.expect(lambda: len(runs(own)) >= 4, 30, "first runs")
        beat = own.kuvert.children["beat"]
        pid, count = beat.process.pid, len(runs(own))
        cut_at = utcnow()
        with proxy.cut():
            time.sleep(12)
        began = time.monotonic()
        own.expect(lambda: len(runs(own)) > count, 10, "it goes on")
        seconds = time.monotonic() - began
        time.sleep(8)
        finish(own)

        print(f"{backend}: on again {seconds:.1f} s after the database, {_states(own)}")
        assert beat.is_running
        assert beat.process.pid == pid
        assert beat.output().count("waiting for the database") == 1
        found = [run for run in runs(own) if run.name == "job all"]
        assert _missing_slots(found) == set()
        # One that was under way just then has failed, and says so.
        assert all(run.started_at < cut_at for run in found if run.state == "failed")
        assert {run.state for run in found} <= {"done", "failed"}
        assert _states(own)["job latest missed"] == 1
        assert seconds <= 6


def _states(own: Desk) -> Counter[str]:
    return Counter(f"{run.name} {run.state}" for run in runs(own))


def test_a_locked_file_is_waited_for(tmp_path: Path) -> None:
    with desk("sqlite", tmp_path, "worker", "beat") as own:
        add(own, "job", 2)
        own.expect(lambda: runs(own), 30, "a first run")
        blocker = create_engine(own.kuvert.database.url, isolation_level="AUTOCOMMIT")
        with blocker.connect() as connection:
            connection.execute(text("BEGIN EXCLUSIVE"))
            time.sleep(12)
            connection.execute(text("ROLLBACK"))
        blocker.dispose()
        count = len(runs(own))
        own.expect(lambda: len(runs(own)) > count, 8, "it goes on")
        time.sleep(6)
        finish(own)

        assert own.kuvert.children["beat"].is_running
        assert _missing_slots(runs(own)) == set()


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_edit_by_sql_is_in_force_within_two_seconds(backend: str, tmp_path: Path) -> None:
    with desk(backend, tmp_path, "beat") as own:
        add(own, "job", DAY)
        own.expect(lambda: _is_planned(own), 30, "it is planned")
        seconds = [_edit_and_wait(own, DAY - number - 1) for number in range(15)]

        print(f"{backend}: in force after {median(seconds):.2f} s, at most {max(seconds):.2f} s")
        assert max(seconds) <= 2


def _is_planned(own: Desk) -> bool:
    with own.kuvert.database.single() as connection:
        statement = select(SCHEDULES.c.is_planned).where(SCHEDULES.c.name == "job")
        return bool(connection.scalar(statement))


def _edit_and_wait(own: Desk, every_seconds: int) -> float:
    """Return the seconds from an UPDATE to beat's new plan."""
    # At another moment of beat's pause each time.
    time.sleep(0.3 + every_seconds % 10 / 10)
    statement = text("UPDATE schedules SET every_seconds = :n WHERE name = 'job'")
    with own.kuvert.database.engine.begin() as connection:
        connection.execute(statement, {"n": every_seconds})
    began = time.monotonic()
    wait_until(lambda: _is_planned(own), 10, "it is planned anew")
    return time.monotonic() - began
