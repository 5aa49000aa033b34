"""Who works on a database at this moment, as far as it says: workers, and the beat that leads.

Read without the models, so that it can be asked of a database at another revision too.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, column, inspect, select, table

from core.database import Database
from core.heartbeats import GONE_AFTER
from core.types import UtcDateTime

BEAT = "beat"


@dataclass(frozen=True, slots=True)
class Living:
    """A process that said lately that it is alive; `version` None: it does not say.

    A beat never says its version.
    """

    name: str
    seen_at: datetime | None
    version: str | None
    is_beat: bool = False

    def __str__(self) -> str:
        """Name it, with its version."""
        return f"{self.name} ({self.version or 'version not known'})"


def processes(database: Database) -> list[Living]:
    """Return the processes that work on `database`; web processes say nothing of themselves."""
    with database.single() as connection:
        now: datetime = connection.execute(select(database.clock())).scalar_one()
        return [*_workers(connection, now), *_beats(connection, now)]


def _workers(connection: Connection, now: datetime) -> list[Living]:
    names = _columns(connection, "heartbeats")
    if not names:
        return []
    shown: list[Any] = [column("name"), column("seen_at", UtcDateTime())]
    if "version" in names:
        shown.append(column("version"))
    beats = table("heartbeats", *shown)
    recent = select(beats).where(beats.c.seen_at > now - GONE_AFTER).order_by(beats.c.name)
    rows = connection.execute(recent).mappings()
    return [Living(f"worker {row['name']}", row["seen_at"], row.get("version")) for row in rows]


def _beats(connection: Connection, now: datetime) -> list[Living]:
    if not _columns(connection, "leases"):
        return []
    until, since = column("until", UtcDateTime()), column("since", UtcDateTime())
    leases = table("leases", column("name"), column("holder"), since, until)
    held = select(leases).where(
        leases.c.name == BEAT, leases.c.holder.is_not(None), leases.c.until > now
    )
    return [
        Living(f"beat {row.holder}", None, None, is_beat=True) for row in connection.execute(held)
    ]


def _columns(connection: Connection, name: str) -> set[str]:
    inspector = inspect(connection)
    if not inspector.has_table(name):
        return set()
    return {found["name"] for found in inspector.get_columns(name)}
