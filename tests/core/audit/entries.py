"""Short ways to look at what the audit wrote down, and rows to change."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert

from core.audit import Filter, search
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.ids import new_id
from invoices.models import ApiKey, Source

SOURCES = Source.__table__
KEYS = ApiKey.__table__


def entries(**wanted: Any) -> list[Row[Any]]:  # noqa: ANN401
    """Return the entries that match, oldest first."""
    with reading() as connection:
        return search(connection, Filter(**wanted), count=10_000)[::-1]


def written() -> list[tuple[str, str, Any, Any]]:
    """Return operation, label, before and after of every entry, oldest first."""
    return [(row.operation, row.label, row.before, row.after) for row in entries()]


def a_source(name: str = "erp", **changes: object) -> dict[str, Any]:
    """Return the row of a source."""
    row = {"id": new_id(), "name": name, "environment": "test", "provider_id": None}
    return {**row, "is_disabled": False, "created_at": utcnow(), **changes}


def a_key(source_id: UUID, **changes: object) -> dict[str, Any]:
    """Return the row of a key."""
    ids = {"id": new_id(), "source_id": source_id, "prefix": new_id().hex[-12:]}
    times = {"expires_at": None, "revoked_at": None, "last_used_at": None, "created_at": utcnow()}
    what = {"secret_sha256": "5ec4e7" + "0" * 58, "environment": "test", "scopes": []}
    return {**ids, **what, **times, **changes}


def add_sources(*names: str) -> list[UUID]:
    """Store sources in one statement; return their ids."""
    rows = [a_source(name) for name in names]
    with unit_of_work() as connection:
        connection.execute(insert(SOURCES), rows)
    return [row["id"] for row in rows]
