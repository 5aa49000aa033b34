"""The one way through the triggers that keep histories append-only.

A pass is a row that is written and taken away again in one transaction, so that no other ever sees
it. The triggers let through what it names: one table, one verb, rows that are older than it says.
It refers to a recorded run of retention, and a change that goes through it is part of that run.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, delete, insert

from core.db import database
from core.ids import new_id
from core.retention.models import HistoryPass

PASSES = HistoryPass.__table__

LENGTH = timedelta(minutes=1)
"""How long a pass lets anything through; the triggers say the same."""

Verb = Literal["delete", "update"]

WORDS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "status_events": ("note",),
        "push_attempts": ("error", "response"),
        "audit_entries": ("label", "reason", "before", "after"),
        "schedule_changes": ("comment", "before", "after"),
    }
)
"""The append-only tables, and the columns of each that erasure may rewrite; never the others."""


@contextmanager
def opened(
    connection: Connection, run_id: UUID, table: str, verb: Verb, before: UUID
) -> Iterator[None]:
    """Let the block change rows of an append-only table whose ids are below `before`.

    For core.retention and those who register there. When the block fails, its transaction must be
    rolled back, and takes the pass with it.
    """
    row = {
        "id": new_id(),
        "run_id": run_id,
        "table_name": table,
        "verb": verb,
        "before_id": before,
        "owner": database().transaction_mark(),
        "opened_at": database().clock(),
    }
    connection.execute(insert(PASSES).values(row))
    yield
    connection.execute(delete(PASSES).where(PASSES.c.id == row["id"]))
