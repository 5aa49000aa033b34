"""Whether beat and the workers live, and whether work gets done."""

from collections.abc import Iterator
from datetime import timedelta

from core import heartbeats, pauses, pump
from core.clock import utcnow
from core.db import database_time, reading
from core.doctor.findings import Finding, Patient, fail, ok, warn
from core.queues import QUEUE_OF
from core.schedules.queries import State, beat_status, lines

LONG = timedelta(minutes=10)


def beat(_: Patient) -> Iterator[Finding]:
    """Say which beat leads."""
    with reading() as connection:
        status = beat_status(connection)
    if status.leader:
        yield ok(f"{status.leader} leads")
        return
    seen = f"{status.seen_at:%Y-%m-%d %H:%M:%S} UTC" if status.seen_at else "never"
    yield fail(
        f"none runs (last seen: {seen}): nothing on the schedule is done, retries are late",
        "manage.py beat",
    )


def workers(_: Patient) -> Iterator[Finding]:
    """Say which workers live, and which queues nobody takes from."""
    with reading() as connection:
        found = heartbeats.workers(connection, database_time(connection))
    alive = [worker.name for worker in found if worker.is_alive]
    unserved = heartbeats.unserved(found)
    if not alive:
        yield fail("none is alive: nothing is sent", "manage.py worker")
    elif unserved:
        yield fail(
            f"nobody takes from {', '.join(unserved)}",
            f"manage.py worker --queues {','.join(unserved)}",
        )
    else:
        yield ok(f"{len(alive)} alive, every queue is served")
    for worker in found:
        if not worker.is_alive:
            yield warn(
                f"gone without a word, last seen {worker.seen_at:%Y-%m-%d %H:%M:%S} UTC",
                "start it again if it is still wanted; it is forgotten after a day",
                about=worker.name,
            )


def dispatch(_: Patient) -> Iterator[Finding]:
    """Say whether somebody has paused all that goes out."""
    with reading() as connection:
        pause = pauses.current(connection)
    if pause is None:
        yield ok("what is due goes out")
    else:
        yield warn(str(pause), "manage.py dispatch status, then dispatch resume")


def backlog(_: Patient) -> Iterator[Finding]:
    """Say whether work that is due has waited for long."""
    now = utcnow()
    with reading() as connection:
        oldest = {QUEUE_OF[one.work]: one.oldest(connection, now) for one in pump.registered()}
    late = {
        queue: now - due_at for queue, due_at in oldest.items() if due_at and now - due_at > LONG
    }
    for queue, age in late.items():
        yield warn(
            f"work has been due for {age.total_seconds() / 60:.0f} minutes",
            "look at beat, the workers and the broker above; else there is more than they can do",
            about=queue,
        )
    if not late:
        yield ok("no work has been due for long")


def schedule(_: Patient) -> Iterator[Finding]:
    """Say which schedules were missed, failed, or cannot run."""
    with reading() as connection:
        odd = [line for line in lines(connection) if line.alarm or line.error]
    for line in odd:
        if line.state is State.BROKEN:
            yield fail(f"it cannot run: {line.error}", "manage.py schedule edit", about=line.name)
        else:
            said = f"manage.py schedule show {line.name}; then schedule silence {line.name}"
            yield warn(line.alarm or line.error or "", said, about=line.name)
    if not odd:
        yield ok("no alarm")
