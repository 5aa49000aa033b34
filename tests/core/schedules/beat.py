"""A beat that the test drives turn by turn, over a broker that only writes down."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Protocol, cast

from flask import Flask
from kombu.exceptions import OperationalError
from sqlalchemy import Row, func, select, text

from core.celery_app import KuvertCelery
from core.db import reading, unit_of_work
from core.editing import By
from core.schedules import edits
from core.schedules.models import RunState
from core.schedules.rows import SCHEDULES
from core.schedules.running import tracked
from core.schedules.runs import RUNS
from core.schedules.scheduler import DatabaseScheduler
from tests.core.schedules.support import utc

TASK = "tasks.sendInvoice"
ARGS = '["0198c0de-0000-7000-8000-000000000000", []]'
WHO = By("anna", "because")


class Time(Protocol):
    """What the beat needs of the test's clock."""

    now: datetime

    def __call__(self) -> datetime: ...

    def go(self, moment: datetime) -> None: ...

    def wait(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Message:
    """What was given to the broker."""

    task: str
    args: list[Any]
    run_id: str
    at: datetime


@dataclass
class FakeCelery:
    """Celery as beat sees it: `sent` is its broker, which may be away."""

    flask_app: Flask
    clock: Time
    sent: list[Message] = field(default_factory=list)
    is_away: bool = False
    refuses: frozenset[str] = frozenset()
    seconds: float = 0.0
    conf: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(
            broker_url="filesystem://", beat_max_loop_interval=5, beat_sync_every=0
        )
    )
    amqp: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(Producer=None))

    @contextmanager
    def producer_or_acquire(self) -> Iterator[None]:
        """Yield the producer that `send_task` is given again."""
        if self.is_away:
            raise OperationalError("no broker")
        yield None

    def send_task(
        self, name: str, *, args: Sequence[Any], task_id: str, headers: dict[str, str], **_: object
    ) -> None:
        """Write a message down."""
        self.clock.wait(self.seconds)
        assert headers == {"kuvert_run": task_id}
        if name in self.refuses:
            raise OperationalError("this queue takes nothing")
        self.sent.append(Message(name, list(args), task_id, self.clock()))


class Beat:
    """A scheduler, its broker, and the short ways of the tests to its tables."""

    def __init__(self, app: Flask, clock: Time) -> None:
        self.clock = clock
        self.broker = FakeCelery(app, clock)
        self.start()

    def start(self) -> None:
        """Start it (again), as after a kill: nothing of what it knew is left."""
        celery = cast("KuvertCelery", self.broker)
        self.scheduler = DatabaseScheduler(celery)
        self.scheduler._watch_seconds = 10_000

    def restart(self) -> None:
        """Stop it gently and start it again."""
        self.scheduler.close()
        self.start()

    def turn(self) -> float:
        """Take one turn; returns the seconds until the next."""
        return self.scheduler.tick()

    def run_until(self, moment: str) -> None:
        """Take a turn whenever something is due, up to a moment."""
        until = utc(moment)
        self.turn()
        while (due := _soonest()) is not None and due <= until:
            # An overdue row cannot be taken in the past.
            self.clock.go(max(due, self.clock.now + timedelta(milliseconds=1)))
            self.turn()
        self.clock.go(until)
        self.turn()

    def sent(self) -> list[str]:
        """Return when messages left, as `10-19 21:00`."""
        return [f"{message.at:%m-%d %H:%M}" for message in self.broker.sent]


def _soonest() -> datetime | None:
    with reading() as connection:
        found: datetime | None = connection.scalar(select(func.min(SCHEDULES.c.next_due_at)))
    return found


def add(name: str = "job", **values: Any) -> None:  # noqa: ANN401
    """Add a schedule; what it runs is a batch of no invoices."""
    if "kind" not in values:
        values["kind"] = "interval" if "every_seconds" in values else "crontab"
        values["kind"] = "once" if "at" in values else values["kind"]
    given = {"task": TASK, "args": ARGS, **values}
    with unit_of_work() as connection:
        edits.add(connection, name, given, WHO)


def hourly(name: str = "job", **values: Any) -> None:  # noqa: ANN401
    """Add a schedule of every full hour in UTC."""
    add(name, crontab="0 * * * *", **values)


def edit(name: str = "job", **values: Any) -> str:  # noqa: ANN401
    """Edit a schedule."""
    with unit_of_work() as connection:
        return edits.edit(connection, name, values, WHO)


def sql(statement: str, **values: object) -> None:
    """Change a table past all our code, as somebody with a client does."""
    with unit_of_work() as connection:
        connection.execute(text(statement), values)


def row(name: str = "job") -> Row[Any]:
    """Return a schedule as its row is now."""
    with reading() as connection:
        return connection.execute(select(SCHEDULES).where(SCHEDULES.c.name == name)).one()


def runs(name: str = "job") -> list[Row[Any]]:
    """Return a schedule's runs, oldest slot first."""
    own = SCHEDULES.c.id == RUNS.c.schedule_id
    statement = select(RUNS).join(SCHEDULES, own).where(SCHEDULES.c.name == name)
    with reading() as connection:
        return list(connection.execute(statement.order_by(RUNS.c.slot_at)))


def told(name: str = "job") -> list[tuple[str, str, str]]:
    """Return a schedule's runs as (slot, reason, state)."""
    return [(f"{run.slot_at:%H:%M}", run.reason, run.state) for run in runs(name)]


def in_state(state: RunState, name: str = "job") -> list[str]:
    """Return the slots of a schedule's runs in a state, as `10-19 21:00`."""
    return [f"{run.slot_at:%m-%d %H:%M}" for run in runs(name) if run.state == state]


def work(run_id: str, done: list[str]) -> None:
    """Do what a worker does with a message."""
    tracked(run_id, lambda: done.append(run_id))
