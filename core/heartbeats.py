"""Workers say that they are alive, in a row that grows old when they are not.

A thread of the worker's main process writes it every ten seconds: asking workers over the broker
would need one that can carry the question, which the folder cannot, and would tell nothing of the
database. A worker whose row is older than 30 seconds counts as gone.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from celery import signals
from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from core import version
from core.clock_watch import ClockWatch
from core.database import Database
from core.models import Heartbeat
from core.outages import Outage, outage
from core.queues import QUEUE_OF

if TYPE_CHECKING:
    from celery.worker.consumer import Consumer

logger = logging.getLogger(__name__)

HEARTBEATS = Heartbeat.__table__

EVERY_SECONDS = 10.0
GONE_AFTER = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(days=1)
"""How long the row of a worker that was killed is shown."""

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """One worker, as staff see it."""

    name: str
    queues: Sequence[str]
    since: datetime
    seen_at: datetime
    is_alive: bool
    version: str | None = None


def beat(connection: Connection, name: str, queues: Sequence[str], now: datetime) -> None:
    """Say that a worker is alive, and forget those that have long been dead."""
    mine = HEARTBEATS.c.name == name
    if not connection.execute(update(HEARTBEATS).where(mine).values(seen_at=now)).rowcount:
        row = {
            "name": name,
            "queues": list(queues),
            "since": now,
            "seen_at": now,
            "version": version.running(),
        }
        connection.execute(insert(HEARTBEATS).values(row))
    connection.execute(delete(HEARTBEATS).where(HEARTBEATS.c.seen_at < now - FORGOTTEN_AFTER))


def leave(connection: Connection, name: str) -> None:
    """Take the row of a worker away that stops in order."""
    connection.execute(delete(HEARTBEATS).where(HEARTBEATS.c.name == name))


def workers(connection: Connection, now: datetime) -> list[Alive]:
    """Return the workers that are alive, and those that have gone without a word, by name.

    All times are by the database's clock, `now` too: hosts differ.
    """
    rows = connection.execute(select(HEARTBEATS).order_by(HEARTBEATS.c.name))
    return [_alive(row, now) for row in rows]


def unserved(found: Sequence[Alive]) -> list[str]:
    """Return the queues that no living worker takes from."""
    served = {queue for worker in found if worker.is_alive for queue in worker.queues}
    return [queue for queue in QUEUE_OF.values() if queue not in served]


def _alive(row: Row[Any], now: datetime) -> Alive:
    return Alive(
        name=row.name,
        queues=tuple(row.queues),
        since=row.since,
        seen_at=row.seen_at,
        is_alive=row.seen_at > now - GONE_AFTER,
        version=row.version,
    )


class Pulse:
    """The thread that writes one worker's row."""

    def __init__(self, database: Database, name: str, queues: Sequence[str]) -> None:
        self._database = database
        self._name = name[:LONGEST_NAME]
        self._queues = tuple(queues)
        self._stop = threading.Event()
        self._is_well = True
        self._clocks = ClockWatch()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End, and take the row away as far as the database can be reached."""
        self._stop.set()
        self._thread.join(timeout=1.0)
        self._write(lambda connection: leave(connection, self._name))

    def _run(self) -> None:
        while True:
            self._write(self._beat)
            if self._stop.wait(EVERY_SECONDS):
                return

    def _beat(self, connection: Connection) -> None:
        now = connection.execute(select(self._database.clock())).scalar_one()
        self._clocks.compare(now)
        beat(connection, self._name, self._queues, now)

    def _write(self, work: Callable[[Connection], None]) -> None:
        """Write, each statement by itself; a database that is away is said once."""
        try:
            with self._database.single() as connection:
                work(connection)
            self._is_well = True
        except SQLAlchemyError as error:
            if self._is_well or outage(error) is not Outage.AWAY:
                logger.warning("heartbeat not written", extra={"error": type(error).__name__})
            self._is_well = False


def connect_signals(database: Callable[[], Database]) -> None:
    """Have every worker of this process say that it is alive, from its start to its end."""
    pulses: list[Pulse] = []

    def begin(sender: "Consumer", **_: object) -> None:
        if not pulses:
            queues = sorted(sender.app.amqp.queues.consume_from)
            pulses.append(Pulse(database(), str(sender.hostname), queues))
            pulses[-1].start()

    def end(**_: object) -> None:
        while pulses:
            pulses.pop().stop()

    signals.worker_ready.connect(begin, weak=False)
    signals.worker_shutdown.connect(end, weak=False)
