"""Addresses that bounced: what goes to one of them is held, and says why.

A hard bounce suppresses an address of a source at once; soft ones after `SOFT_LIMIT` within
`SOFT_WINDOW`. A suppression ends by itself (`HARD_LENGTH`, `SOFT_LENGTH`) or when somebody
releases it. One source learns nothing of the addresses of another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, update

from core.clock import utcnow
from core.db import database
from core.errors import ConflictError, Finding, InputError, NotFoundError
from core.ids import new_id
from invoices.models import Delivery, Invoice, Source
from invoices.services.changes import Move, apply, lock_invoices
from invoices.services.claims import WAITING
from invoices.suppression_models import Suppression
from status.models import Cause, Status

SUPPRESSIONS = Suppression.__table__
DELIVERIES = Delivery.__table__
INVOICES = Invoice.__table__
SOURCES = Source.__table__

SOFT_LIMIT = 3
SOFT_WINDOW = timedelta(days=14)
HARD_LENGTH = timedelta(days=180)
SOFT_LENGTH = timedelta(days=14)

REASON_LENGTH = 500
ACTOR_LENGTH = 200
ADDRESS_LENGTH = 320


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
    for source_id, address, bounce in sorted(counted, key=lambda one: (str(one[0]), one[1])):
        _count(connection, source_id, address, bounce, now)


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
    address, now = _checked_address(address), utcnow()
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


def _checked_address(address: str) -> str:
    """Return an address as it is compared with those of deliveries."""
    found = address.strip().lower()
    name, sign, domain = found.rpartition("@")
    is_one = bool(name and sign and domain) and not any(map(str.isspace, found))
    if not is_one or not found.isprintable() or len(found) > ADDRESS_LENGTH:
        message = f"must be a mail address of at most {ADDRESS_LENGTH} characters"
        raise InputError.at("/address", "address", message)
    return found


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


def hold(connection: Connection, token: UUID, ids: Sequence[UUID]) -> int:
    """Hold those of the claimed deliveries that go to a suppressed address; return how many.

    Each says why in its reason and in the history of its invoice.
    """
    rows = _suppressed(connection, token, ids)
    if not rows:
        return 0
    notes = {row.id: _why(row) for row in rows}
    handle = database()
    still = and_(handle.among(DELIVERIES.c.id, list(notes)), DELIVERIES.c.lease_token == token)
    held = handle.lock(connection, DELIVERIES, still)
    values = {"state": str(Status.HELD), "due_at": None, "lease_token": None}
    handle.update_many(
        connection,
        DELIVERIES,
        [{"id": row.id, "reason": notes[row.id], **values} for row in held],
    )
    invoices = lock_invoices(connection, [row.invoice_id for row in held])
    moves = [
        Move(
            invoice_id=row.invoice_id,
            to=Status.HELD,
            cause=Cause.DISPATCH,
            delivery_id=row.id,
            note=notes[row.id],
        )
        for row in held
        if invoices[row.invoice_id].current_delivery_id == row.id
    ]
    apply(connection, invoices, moves)
    return len(held)


def _suppressed(connection: Connection, token: UUID, ids: Sequence[UUID]) -> list[Row[Any]]:
    statement = (
        select(DELIVERIES.c.id, SUPPRESSIONS)
        .with_only_columns(
            DELIVERIES.c.id,
            SUPPRESSIONS.c.address,
            SUPPRESSIONS.c.reason,
            SUPPRESSIONS.c.expires_at,
        )
        .join(INVOICES, INVOICES.c.id == DELIVERIES.c.invoice_id)
        .join(
            SUPPRESSIONS,
            and_(
                SUPPRESSIONS.c.source_id == INVOICES.c.source_id,
                SUPPRESSIONS.c.address == func.lower(DELIVERIES.c.recipient),
            ),
        )
        .where(
            database().among(DELIVERIES.c.id, ids),
            DELIVERIES.c.lease_token == token,
            DELIVERIES.c.state.in_(WAITING),
            _is_active(utcnow()),
        )
    )
    return list(connection.execute(statement))


def _is_active(now: datetime) -> ColumnElement[bool]:
    columns = SUPPRESSIONS.c
    return and_(
        columns.suppressed_at.is_not(None),
        columns.released_at.is_(None),
        or_(columns.expires_at.is_(None), columns.expires_at > now),
    )


def _why(row: Row[Any]) -> str:
    end = f" until {row.expires_at:%Y-%m-%d}" if row.expires_at else ""
    return (
        f"{row.address} is suppressed{end}: {row.reason};"
        " release the suppression, then the invoice, or send it to another address"
    )[:REASON_LENGTH]


def active(
    connection: Connection, source_id: UUID | None, after: UUID | None, count: int
) -> list[Row[Any]]:
    """Return up to `count` addresses that are suppressed now, oldest first; for staff, all."""
    columns = SUPPRESSIONS.c
    statement = (
        select(SUPPRESSIONS, SOURCES.c.name.label("source"))
        .join(SOURCES, SOURCES.c.id == columns.source_id)
        .where(_is_active(utcnow()))
    )
    if source_id is not None:
        statement = statement.where(columns.source_id == source_id)
    if after is not None:
        statement = statement.where(columns.id > after)
    return list(connection.execute(statement.order_by(columns.id).limit(count)))


def source_id(connection: Connection, name: str) -> UUID:
    """Return the id of the source called `name`.

    Raises:
        NotFoundError: there is none.
    """
    found: UUID | None = connection.scalar(select(SOURCES.c.id).where(SOURCES.c.name == name))
    if found is None:
        raise NotFoundError(f"there is no source '{name}'")
    return found


def about(connection: Connection, delivery_id: UUID) -> Row[Any] | None:
    """Return what suppresses the address that a delivery goes to; None when nothing does."""
    statement = (
        select(SUPPRESSIONS)
        .join(INVOICES, INVOICES.c.source_id == SUPPRESSIONS.c.source_id)
        .join(DELIVERIES, DELIVERIES.c.invoice_id == INVOICES.c.id)
        .where(
            DELIVERIES.c.id == delivery_id,
            SUPPRESSIONS.c.address == func.lower(DELIVERIES.c.recipient),
            _is_active(utcnow()),
        )
    )
    return connection.execute(statement).one_or_none()


def held(
    connection: Connection, address: str, source_id: UUID | None, count: int
) -> list[Row[Any]]:
    """Return up to `count` invoices that are held and go to an address, of one source or of all.

    Rows have `invoice_id`, `number`, `created_at` and `reason` of their deliveries.
    """
    columns = (DELIVERIES.c.invoice_id, DELIVERIES.c.created_at, DELIVERIES.c.reason)
    statement = (
        select(*columns, INVOICES.c.number)
        .join(INVOICES, INVOICES.c.current_delivery_id == DELIVERIES.c.id)
        .where(
            DELIVERIES.c.state == Status.HELD,
            func.lower(DELIVERIES.c.recipient) == _lower(address).strip(),
        )
    )
    if source_id is not None:
        statement = statement.where(INVOICES.c.source_id == source_id)
    return list(connection.execute(statement.order_by(DELIVERIES.c.id).limit(count)))


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
    mine = [columns.address == address.strip().lower()]
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
    now_active = [*mine, _is_active(utcnow())]
    changed = connection.execute(update(SUPPRESSIONS).where(*now_active).values(values))
    return int(changed.rowcount)
