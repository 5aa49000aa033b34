"""Beat over 10,000 schedules: a turn with nothing to do, an edit, and all of them due at once."""

import time
from collections.abc import Callable
from shutil import which
from statistics import median

from celery.beat import Scheduler
from sqlalchemy import delete, func, select

from core.db import unit_of_work
from core.schedules.ledger import UNPLANNED
from core.schedules.models import RunState, Schedule, ScheduleRun
from core.schedules.scheduler import DatabaseScheduler
from tests.benchmarks.kuvert import Desk, scalar
from tests.benchmarks.report import Row, at_most
from tests.benchmarks.schedule_peers import DjangoCeleryBeat, Peer, RedBeat, burst
from tests.benchmarks.stage import Stage, connect

ENTRIES = 10_000
TURNS, EDITS = 200, 30
PEER_TURNS, PEER_EDITS = 20, 3
WHAT = f"beat with {ENTRIES:,} schedules:"
IDLE_MS, EDIT_MS, BURST_SECONDS = 5.0, 15.0, 15.0
SCHEDULES, RUNS = Schedule.__table__, ScheduleRun.__table__

COPY = f"""
    INSERT INTO schedules SELECT (jsonb_populate_record(one, jsonb_build_object(
        'id', gen_random_uuid(), 'name', 'entry ' || number, 'origin', 'staff',
        'task', 'tasks.sendInvoice', 'args', '["-", []]', 'catchup', 'all',
        'every_seconds', 86400, 'offset_seconds', number, 'is_planned', false))).*
    FROM schedules one, generate_series(1, {ENTRIES}) number WHERE one.name = 'get-due-callbacks'
"""  # noqa: S608 - a number of our own
DUE = """
    UPDATE schedules SET every_seconds = 3600, offset_seconds = 0, is_planned = true,
        plan_number = plan_number + 1, next_slot_at = date_trunc('hour', now()),
        next_due_at = date_trunc('hour', now()), catchup_window_seconds = 86400
    WHERE name LIKE 'entry %'
"""
EDIT = "UPDATE schedules SET jitter_seconds = jitter_seconds + 1 WHERE name = 'entry 77'"


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Drive a beat of this process turn by turn, then two other schedulers in the same way."""
    idle, edit, seconds = _ours(stage, desk)
    found = [
        at_most(f"{WHAT} a turn with nothing due", idle, IDLE_MS, "ms"),
        at_most(f"{WHAT} a turn after an edit", edit, EDIT_MS, "ms"),
        at_most(f"{WHAT} all due at once, all with RabbitMQ", seconds, BURST_SECONDS, "s"),
    ]
    for name, peer in _peers().items():
        other = peer(stage, ENTRIES)
        found += _beside(name, other, idle, edit, ENTRIES / seconds)
    return found


def _peers() -> dict[str, Callable[[Stage, int], Peer]]:
    """Return the others by name; RedBeat where there is a Redis for it."""
    redis: dict[str, Callable[[Stage, int], Peer]] = {"celery-redbeat": RedBeat}
    return {"django-celery-beat": DjangoCeleryBeat, **(redis if which("redis-server") else {})}


def _ours(stage: Stage, desk: Desk) -> tuple[float, float, float]:
    """Return milliseconds of an idle turn and of one after an edit, and the burst's seconds."""
    beat = DatabaseScheduler(desk.celery)
    _run(stage, COPY)
    while _has_unplanned():
        beat.tick()
    idle = _milliseconds(beat.tick, TURNS)
    edit = median(_after_edit(lambda: _run(stage, EDIT), beat) for _ in range(EDITS))
    seconds = _burst(stage, beat)
    beat.close()
    _clear(desk)
    return idle, edit, seconds


def _beside(name: str, peer: Peer, idle: float, edit: float, rate: float) -> list[Row]:
    beat = peer.scheduler
    for _ in range(3):
        beat.tick()
    their_idle = _milliseconds(beat.tick, PEER_TURNS)
    their_edit = median(_after_edit(peer.edit, beat) for _ in range(PEER_EDITS))
    figures = {"a turn with nothing due": (idle, their_idle, "ms")}
    figures |= {"a turn after an edit": (edit, their_edit, "ms")}
    figures |= {"all due at once": (rate, burst(beat, peer.make_due), "/s")}
    return [
        Row(name=f"{WHAT} {what}", ours=ours, other=other, against=name, unit=unit)
        for what, (ours, other, unit) in figures.items()
    ]


def _has_unplanned() -> bool:
    return bool(scalar(select(func.count()).where(UNPLANNED)))


def _milliseconds(turn: Callable[[], object], count: int) -> float:
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        turn()
        taken.append(time.perf_counter() - began)
    return median(taken) * 1000


def _after_edit(edit: Callable[[], object], beat: Scheduler) -> float:
    edit()
    return _milliseconds(beat.tick, 1)


def _burst(stage: Stage, beat: Scheduler) -> float:
    """Return the seconds until the broker has confirmed a message of every schedule."""
    _run(stage, DUE)
    sent = select(func.count()).where(RUNS.c.state == RunState.SENT)
    began = time.perf_counter()
    while scalar(sent) < ENTRIES:
        beat.tick()
    return time.perf_counter() - began


def _run(stage: Stage, statement: str) -> None:
    with connect(stage.database) as connection:
        connection.execute(statement.encode())


def _clear(desk: Desk) -> None:
    """Leave neither schedules nor messages to the next part."""
    with unit_of_work() as connection:
        connection.execute(delete(RUNS))
        connection.execute(delete(SCHEDULES).where(SCHEDULES.c.name.like("entry %")))
    with desk.celery.connection_for_write() as broker, broker.channel() as channel:
        purged = desk.celery.amqp.queues["jobs"](channel).purge()
    if purged != ENTRIES:
        raise RuntimeError(f"{purged} messages in the queue instead of {ENTRIES}")
