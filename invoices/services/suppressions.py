"""Addresses that bounced, and those that staff suppress: when one is, and when no more.

A hard bounce suppresses an address of a source at once; soft ones after `SOFT_LIMIT` within
`SOFT_WINDOW`. A suppression ends by itself (`HARD_LENGTH`, `SOFT_LENGTH`) or when somebody
releases it. One source learns nothing of the addresses of another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, select, update

from core.clock import utcnow
from core.db import database
from core.errors import ConflictError, Finding, InputError, NotFoundError
from core.ids import new_id
from invoices.services.addresses import checked_address
from invoices.suppression_queries import (
    DELIVERIES,
    INVOICES,
    SUPPRESSIONS,
    is_active,
    source_id,
    spelled,
)

SOFT_LIMIT = 3
SOFT_WINDOW = timedelta(days=14)
HARD_LENGTH = timedelta(days=180)
SOFT_LENGTH = timedelta(days=14)

REASON_LENGTH = 500
ACTOR_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """A delivery that bounced. `is_hard`: the address itself is no good."""

    delivery_id: UUID
    is_hard: bool
    reason: str


def record(connection: Connection, bounces: Sequence[Bounce]) -> None:
    """Count bounces, and suppress the addresses for which it is time."""
    if not bounces:
        return
    now = utcnow()
    places = _places(connection, [bounce.delivery_id for bounce in bounces])
    counted = [
        (places[bounce.delivery_id].source_id, places[bounce.delivery_id].recipient.lower(), bounce)
        for bounce in bounces
        if bounce.delivery_id in places and places[bounce.delivery_id].recipient
    ]
    # In one order, so that two batches do not lock each other out.
    for owner_id, address, bounce in sorted(counted, key=lambda one: (str(one[0]), one[1])):
        _count(connection, owner_id, address, bounce, now)


def _places(connection: Connection, delivery_ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """Return whose each delivery is and to whom it went."""
    statement = (
        select(DELIVERIES.c.id, DELIVERIES.c.recipient, INVOICES.c.source_id)
        .join(INVOICES, INVOICES.c.id == DELIVERIES.c.invoice_id)
        .where(database().among(DELIVERIES.c.id, delivery_ids))
    )
    rows: list[Row[Any]] = list(connection.execute(statement))
    return {row.id: row for row in rows}


def _count(
    connection: Connection, source_id: UUID, address: str, bounce: Bounce, now: datetime
) -> None:
    """Write one bounce into the row of its address, which is made at the first."""
    columns = SUPPRESSIONS.c
    mine = and_(columns.source_id == source_id, columns.address == address)
    row = _new_row(source_id, address, now)
    database().insert_new(connection, SUPPRESSIONS, [row])
    [old] = database().lock(connection, SUPPRESSIONS, mine)
    is_recent = old.soft_since is not None and now - old.soft_since <= SOFT_WINDOW
    count = (old.soft_count if is_recent else 0) + (not bounce.is_hard)
    changed: dict[str, Any] = {
        "soft_count": count,
        "soft_since": old.soft_since if is_recent else now,
    }
    if bounce.is_hard or count >= SOFT_LIMIT:
        why = bounce.reason if bounce.is_hard else f"{count} soft bounces, last: {bounce.reason}"
        length = HARD_LENGTH if bounce.is_hard else SOFT_LENGTH
        # What bounces again must not end sooner than it would have without.
        ends_at = now + length if not _lasts(old, now + length) else old.expires_at
        changed |= _suppressed_now(now, why, ends_at) | {
            "is_hard": bounce.is_hard,
            "delivery_id": bounce.delivery_id,
            "suppressed_by": None,
        }
    connection.execute(update(SUPPRESSIONS).where(mine).values(changed))


def strength(row: Row[Any]) -> tuple[bool, datetime]:
    """Return what is larger the longer a row suppresses its address."""
    end = row.expires_at or datetime.max.replace(tzinfo=UTC)
    return row.suppressed_at is not None and row.released_at is None, end


def _lasts(old: Row[Any], until: datetime) -> bool:
    """Tell whether an address is suppressed already, and for longer than `until`."""
    if old.suppressed_at is None or old.released_at is not None:
        return False
    return old.expires_at is None or old.expires_at > until


def _suppressed_now(now: datetime, why: str, ends_at: datetime | None) -> dict[str, Any]:
    return {
        "reason": why[:REASON_LENGTH],
        "suppressed_at": now,
        "expires_at": ends_at,
        "released_at": None,
        "released_by": None,
        "release_reason": None,
    }


def add(
    connection: Connection,
    source_id: UUID,
    address: str,
    *,
    by: str,
    reason: str,
    expires_at: datetime | None = None,
) -> UUID:
    """Suppress an address of a source by hand, until `expires_at` or its release; return its id.

    Raises:
        InputError: no address, no reason, or an end that is past.
        ConflictError: it is suppressed already.
    """
    address, now = checked_address(address), utcnow()
    _check_reason(reason)
    if expires_at is not None and expires_at <= now:
        raise InputError.at("/expires_at", "past", "must be later than now")
    columns = SUPPRESSIONS.c
    mine = and_(columns.source_id == source_id, columns.address == address)
    database().insert_new(connection, SUPPRESSIONS, [_new_row(source_id, address, now)])
    [old] = database().lock(connection, SUPPRESSIONS, mine)
    if _lasts(old, now):
        message = f"{address} is suppressed already; release that first"
        raise ConflictError(message, findings=[Finding("/address", "unique", message)])
    changed = {"is_hard": False, "delivery_id": None, "suppressed_by": by[:ACTOR_LENGTH]}
    values = _suppressed_now(now, reason.strip(), expires_at) | changed
    connection.execute(update(SUPPRESSIONS).where(mine).values(values))
    return UUID(str(old.id))


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise InputError.at("/reason", "length", "say why")


def _new_row(source_id: UUID, address: str, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "source_id": source_id,
        "address": address,
        "soft_count": 0,
        "soft_since": None,
        "is_hard": False,
        "reason": None,
        "delivery_id": None,
        "suppressed_at": None,
        "suppressed_by": None,
        "expires_at": None,
        "released_at": None,
        "released_by": None,
        "release_reason": None,
        "created_at": now,
    }


def release(
    connection: Connection, address: str, source: str | None, *, by: str, reason: str
) -> int:
    """Let mail go to an address again, of one source or of all; return how many were released.

    Its bounces are counted from nothing. Held invoices stay held until somebody releases them.

    Raises:
        InputError: no reason is given.
        NotFoundError: there is no such source, or the address is not suppressed.
    """
    columns = SUPPRESSIONS.c
    mine: list[ColumnElement[bool]] = [columns.address.in_(spelled(address))]
    if source is not None:
        mine.append(columns.source_id == source_id(connection, source))
    count = _release(connection, mine, by=by, reason=reason)
    if not count:
        of = f" for {source}" if source is not None else ""
        raise NotFoundError(f"{address} is not suppressed{of}")
    return count


def release_one(connection: Connection, suppression_id: UUID, *, by: str, reason: str) -> None:
    """Let mail go to one address of one source again.

    Raises:
        InputError: no reason is given.
        ConflictError: it is not suppressed any more.
    """
    if not _release(connection, [SUPPRESSIONS.c.id == suppression_id], by=by, reason=reason):
        raise ConflictError("it is not suppressed any more")


def take_back(connection: Connection, delivery_id: UUID, *, by: str, reason: str) -> None:
    """Count a bounce no more that was none, or was another: of the delivery that it spoke of.

    What was suppressed because of it is released; else it is one soft bounce less.
    """
    columns = SUPPRESSIONS.c
    if _release(connection, [columns.delivery_id == delivery_id], by=by, reason=reason):
        return
    for place in _places(connection, [delivery_id]).values():
        mine = (columns.source_id == place.source_id, columns.address == _lower(place.recipient))
        less = {"soft_count": columns.soft_count - 1}
        connection.execute(update(SUPPRESSIONS).where(*mine, columns.soft_count > 0).values(less))


def _lower(address: str | None) -> str:
    return (address or "").lower()


def _release(
    connection: Connection, mine: Sequence[ColumnElement[bool]], *, by: str, reason: str
) -> int:
    _check_reason(reason)
    values = {
        "released_at": utcnow(),
        "released_by": by[:ACTOR_LENGTH],
        "release_reason": reason.strip()[:REASON_LENGTH],
        "soft_count": 0,
        "soft_since": None,
    }
    now_active = [*mine, is_active(utcnow())]
    changed = connection.execute(update(SUPPRESSIONS).where(*now_active).values(values))
    return int(changed.rowcount)
