"""Core's own readings: who is alive, what waits, and the schedule."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, func, or_, select

from core import counting, heartbeats, pauses, pump
from core.clock import utcnow
from core.metrics.families import Family
from core.queues import QUEUE_OF
from core.schedules.models import RunState
from core.schedules.queries import beat_status
from core.schedules.rows import SCHEDULES
from core.schedules.runs import RUNS

RECENT = timedelta(days=1)
MOST_RUNS = 1000


def read(connection: Connection, now: datetime) -> Iterator[Family]:
    """Yield what core's tables say."""
    yield Family.of(
        "kuvert_clock_offset_seconds",
        "The database's clock minus this host's.",
        (now - utcnow()).total_seconds(),
    )
    yield Family.of(
        "kuvert_dispatch_paused",
        "Whether somebody has paused all that goes out.",
        pauses.is_paused(connection),
    )
    yield from _workers(connection, now)
    yield from _beat(connection)
    yield _oldest(connection)
    yield from _schedule(connection, now)


def _workers(connection: Connection, now: datetime) -> Iterator[Family]:
    found = heartbeats.workers(connection, now)
    alive = sum(worker.is_alive for worker in found)
    yield Family(
        "kuvert_workers",
        "Workers that are alive, and those that went without a word within a day.",
        ("state",),
        [(("alive",), alive), (("gone",), len(found) - alive)],
    )
    serving = {
        queue: [worker for worker in found if queue in worker.queues] for queue in QUEUE_OF.values()
    }
    yield Family(
        "kuvert_queue_workers",
        "Living workers that take from a queue.",
        ("queue",),
        [((name,), sum(one.is_alive for one in some)) for name, some in serving.items()],
    )
    yield Family(
        "kuvert_queue_heartbeat_age_seconds",
        "Seconds since the last sign of life of a worker that takes from a queue.",
        ("queue",),
        [
            ((name,), (now - max(one.seen_at for one in some)).total_seconds())
            for name, some in serving.items()
            if some
        ],
    )


def _beat(connection: Connection) -> Iterator[Family]:
    status = beat_status(connection)
    yield Family.of("kuvert_beat_up", "Whether a beat leads.", status.leader is not None)
    yield Family.of(
        "kuvert_beat_heartbeat_age_seconds",
        "Seconds since the last sign of life of the beat that leads or led.",
        None if status.age is None else status.age.total_seconds(),
    )


def _oldest(connection: Connection) -> Family:
    ages = []
    # What is due is written by the clocks of the hosts, not by the database's.
    moment = utcnow()
    for one in pump.registered():
        due_at = one.oldest(connection, moment)
        age = max(0.0, (moment - due_at).total_seconds()) if due_at else 0.0
        ages.append(((QUEUE_OF[one.work],), age))
    return Family(
        "kuvert_queue_oldest_due_seconds",
        "Seconds for which the oldest row that is due has waited to be worked on.",
        ("queue",),
        ages,
    )


def _schedule(connection: Connection, now: datetime) -> Iterator[Family]:
    earliest = connection.scalar(select(func.min(SCHEDULES.c.next_due_at)))
    late = max(0.0, (now - earliest).total_seconds()) if earliest else 0.0
    yield Family.of(
        "kuvert_schedule_lateness_seconds", "Seconds by which the most overdue slot is late.", late
    )
    states = (RunState.MISSED, RunState.FAILED)
    yield Family(
        "kuvert_schedule_recent_runs",
        "Scheduled runs of the last 24 hours that were missed or failed; 1,000 at most.",
        ("state",),
        [((str(state),), _recent(connection, state, now)) for state in states],
    )
    columns = SCHEDULES.c
    wrong = or_(columns.alarm.is_not(None), columns.error.is_not(None))
    yield Family.of(
        "kuvert_schedule_alarms",
        "Schedules with an alarm that nobody has silenced, or that cannot run.",
        connection.scalar(select(func.count()).select_from(SCHEDULES).where(wrong)) or 0,
    )


def _recent(connection: Connection, state: RunState, now: datetime) -> int:
    mine = and_(RUNS.c.state == state, RUNS.c.claimed_at > now - RECENT)
    return counting.up_to(connection, mine, MOST_RUNS)
