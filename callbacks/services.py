"""Working through callbacks: read, match, rank, apply."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, or_, select, update

from callbacks import mails, queries, rules, schemas
from callbacks.mails import Judged
from callbacks.models import Callback, CallbackKind, CallbackState, StatusMapping
from callbacks.schemas import Said
from core.clock import utcnow
from core.db import database
from core.errors import KuvertError, NotFoundError
from core.ids import new_id
from core.pump import Group
from core.settings import current
from invoices.models import Delivery, Provider
from invoices.services import suppressions
from invoices.services.verdicts import Effect, Verdict, apply_verdicts
from status.models import Status

CALLBACKS = Callback.__table__
MAPPINGS = StatusMapping.__table__
DELIVERIES = Delivery.__table__
PROVIDERS = Provider.__table__

KEPT_LOOKING = timedelta(days=7)
FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(hours=1)


def has_due(connection: Connection, now: datetime) -> bool:
    """Return whether any callback is due; one indexed row."""
    return (
        connection.execute(select(CALLBACKS.c.id).where(CALLBACKS.c.due_at <= now).limit(1)).first()
        is not None
    )


def oldest(connection: Connection, now: datetime) -> datetime | None:
    """Return since when the first callback is due."""
    columns = CALLBACKS.c
    first = select(columns.due_at).where(columns.due_at <= now).order_by(columns.due_at).limit(1)
    return connection.scalar(first)


def claim(connection: Connection, limit: int, token: UUID, until: datetime) -> list[Group]:
    """Take due callbacks for `token` until `until`."""
    ids = database().claim(
        connection,
        CALLBACKS,
        where=CALLBACKS.c.due_at <= utcnow(),
        values={"lease_token": token, "due_at": until},
        order_by=CALLBACKS.c.due_at,
        limit=limit,
        skip_locked=True,
    )
    return [Group(ids)] if ids else []


ByInvoice = dict[UUID, UUID]
"""Deliveries that a callback may mean, by their invoice."""


@dataclass(frozen=True, slots=True)
class End:
    """What became of one callback; `due_at` set: it is looked at again then."""

    id: UUID
    state: CallbackState
    note: str
    due_at: datetime | None = None
    said: Said | None = None
    delivery_id: UUID | None = None
    likeness: str | None = None
    is_hard: bool | None = None


def process(connection: Connection, token: UUID, ids: Sequence[UUID]) -> list[End]:
    """Work through the callbacks that still carry `token`, in the order in which they came."""
    mine = and_(database().among(CALLBACKS.c.id, ids), CALLBACKS.c.lease_token == token)
    rows = database().lock(connection, CALLBACKS, mine)
    if not rows:
        return []
    ends: dict[UUID, End] = {}
    judged = _judge_mails(connection, rows)
    said = _read_all(connection, rows, ends)
    matched = _match(connection, rows, said)
    meanings = _meanings(connection, {row.provider_id for row in rows if row.provider_id})
    verdicts = []
    for row in rows:
        if row.id in ends or row.id in judged:
            continue
        verdict = _verdict(row, said[row.id], matched[row.id], meanings)
        if isinstance(verdict, End):
            ends[row.id] = verdict
        else:
            verdicts.append(verdict)
    verdicts += [mail.verdict for mail in judged.values() if mail.verdict]
    order = {row.id: number for number, row in enumerate(rows)}
    effects = apply_verdicts(connection, sorted(verdicts, key=lambda one: order[one.key]))
    by_id = {row.id: row for row in rows}
    for verdict in verdicts:
        if verdict.key in said:
            row = by_id[verdict.key]
            ends[row.id] = _ended(row, said[row.id], verdict, effects[verdict.key])
    _suppress(connection, judged.values(), effects)
    ends |= {
        row_id: replace(
            _ended_mail(by_id[row_id], mail, effects.get(row_id)),
            likeness=mail.like.mark if mail.like else None,
            is_hard=mail.is_hard,
        )
        for row_id, mail in judged.items()
    }
    _write(connection, rows, ends)
    _count_hits(connection, rows, said)
    return [ends[row.id] for row in rows]


def _judge_mails(connection: Connection, rows: Iterable[Row[Any]]) -> dict[UUID, Judged]:
    found = [row for row in rows if row.kind == CallbackKind.DSN]
    if not found:
        return {}
    judged = mails.judge(connection, found, current().secret_key)
    rules.count_hits(connection, [used for mail in judged.values() for used in mail.used])
    return judged


def _suppress(
    connection: Connection, judged: Iterable[Judged], effects: Mapping[UUID, Effect]
) -> None:
    """Count the bounces that were applied against the addresses that they came from."""
    bounces = [
        suppressions.Bounce(
            delivery_id=mail.verdict.delivery_id, is_hard=mail.is_hard, reason=mail.note
        )
        for mail in judged
        if mail.verdict and mail.is_hard is not None
        if effects[mail.verdict.key] == Effect.APPLIED
    ]
    suppressions.record(connection, bounces)


def _read_all(
    connection: Connection, rows: Iterable[Row[Any]], ends: dict[UUID, End]
) -> dict[UUID, Said]:
    """Read each body; what cannot be read ends here, and is kept."""
    statement = select(PROVIDERS.c.id, PROVIDERS.c.settings)
    settings = {row.id: row.settings for row in connection.execute(statement)}
    said = {}
    for row in rows:
        if row.kind == CallbackKind.DSN:
            continue
        try:
            said[row.id] = schemas.read(row.body, settings[row.provider_id])
        except KuvertError as error:
            note = schemas.why_unreadable(error)
            ends[row.id] = End(row.id, CallbackState.UNPARSABLE, note)
    return said


def _match(
    connection: Connection, rows: Iterable[Row[Any]], said: Mapping[UUID, Said]
) -> dict[UUID, ByInvoice]:
    """Find each callback's delivery, by dispatch key or by the provider's own reference.

    Only a delivery through the same provider counts: no provider speaks for another. Of several
    deliveries of one invoice it is the newest; several invoices are all returned.
    """
    columns = DELIVERIES.c
    keys = {item.dispatch_key for item in said.values() if item.dispatch_key}
    references = {item.reference for item in said.values()}
    handle = database()
    statement = select(
        columns.id, columns.invoice_id, columns.provider_id, columns.provider_reference
    ).where(
        or_(
            handle.among(columns.id, keys),
            and_(
                handle.among(
                    columns.provider_id, {row.provider_id for row in rows if row.provider_id}
                ),
                handle.among(columns.provider_reference, references),
            ),
        )
    )
    found: dict[tuple[UUID, object], ByInvoice] = {}
    for delivery in connection.execute(statement.order_by(columns.id)):
        for name in (delivery.id, delivery.provider_reference):
            named = found.setdefault((delivery.provider_id, name), {})
            named[delivery.invoice_id] = delivery.id
    matched = {}
    for row in rows:
        item = said.get(row.id)
        if item is None:
            continue
        by_key = found.get((row.provider_id, item.dispatch_key)) if item.dispatch_key else None
        matched[row.id] = by_key or found.get((row.provider_id, item.reference), {})
    return matched


def _meanings(connection: Connection, provider_ids: set[UUID]) -> dict[tuple[UUID, str], str]:
    columns = MAPPINGS.c
    statement = select(columns.provider_id, columns.provider_status, columns.status).where(
        database().among(columns.provider_id, provider_ids)
    )
    return {
        (row.provider_id, row.provider_status): row.status for row in connection.execute(statement)
    }


def _verdict(
    row: Row[Any],
    said: Said,
    matched: ByInvoice,
    meanings: Mapping[tuple[UUID, str], str],
) -> Verdict | End:
    """Turn a callback into a verdict, or say why it has to wait."""
    if len(matched) != 1:
        # A provider that gives many invoices one reference says nothing about any of them.
        found = f"{len(matched)} invoices" if matched else "no delivery"
        note = f"{found} with the reference {said.reference}"
        return End(row.id, CallbackState.ORPHAN, note, _next_look(row), said)
    [delivery_id] = matched.values()
    status = meanings.get((row.provider_id, said.status.lower()))
    if status is None:
        note = f"nobody has said what '{said.status}' means"
        return End(row.id, CallbackState.UNMAPPED, note, _next_look(row), said, delivery_id)
    return Verdict(
        key=row.id,
        delivery_id=delivery_id,
        status=Status(status),
        occurred_at=said.occurred_at,
        note=": ".join(part for part in (said.status, said.detail) if part),
    )


def _next_look(row: Row[Any]) -> datetime | None:
    """Return when to look again: soon at first, then hourly, for a week."""
    now = utcnow()
    age: timedelta = now - row.received_at
    if age > KEPT_LOOKING:
        return None
    looks: int = row.look_count
    return now + min(FIRST_WAIT * (1 << min(looks, 12)), LONGEST_WAIT)


def _ended(row: Row[Any], said: Said, verdict: Verdict, effect: Effect) -> End:
    if effect == Effect.EARLY:
        note = "came before the hand-over was recorded"
        due_at = _next_look(row)
        return End(row.id, CallbackState.RECEIVED, note, due_at, said, verdict.delivery_id)
    state = CallbackState.APPLIED if effect == Effect.APPLIED else CallbackState.IGNORED
    return End(row.id, state, f"{state}: {verdict.status}", None, said, verdict.delivery_id)


def _ended_mail(row: Row[Any], mail: Judged, effect: Effect | None) -> End:
    """Return what became of a mail; its kind stands where a provider's word would."""
    said = Said(
        reference=str(mail.delivery_id or ""),
        dispatch_key=mail.delivery_id,
        status=str(mail.kind),
        occurred_at=mail.occurred_at,
        detail=mail.note,
    )
    if mail.verdict is None or effect is None:
        return End(row.id, mail.state, mail.note, None, said, mail.delivery_id)
    if effect == Effect.EARLY:
        return _ended(row, said, mail.verdict, effect)
    state = CallbackState.APPLIED if effect == Effect.APPLIED else CallbackState.IGNORED
    return End(row.id, state, mail.note, None, said, mail.delivery_id)


def _write(connection: Connection, rows: Iterable[Row[Any]], ends: Mapping[UUID, End]) -> None:
    now = utcnow()
    database().update_many(
        connection, CALLBACKS, [_written(row, ends[row.id], now) for row in rows]
    )


def _written(row: Row[Any], end: End, now: datetime) -> dict[str, Any]:
    return {
        "id": row.id,
        "state": str(end.state),
        "note": end.note[:500],
        "provider_status": end.said.status if end.said else None,
        "delivery_id": end.delivery_id,
        "likeness": end.likeness,
        "is_hard": end.is_hard,
        "occurred_at": end.said.occurred_at if end.said else None,
        "due_at": end.due_at,
        "lease_token": None,
        "look_count": row.look_count + 1,
        "finished_at": None if end.due_at else now,
    }


def _count_hits(
    connection: Connection, rows: Iterable[Row[Any]], said: Mapping[UUID, Said]
) -> None:
    """Count the uses of each mapping; one statement per provider and word."""
    counts: dict[tuple[UUID, str], int] = {}
    for row in rows:
        if row.id in said:
            word = (row.provider_id, said[row.id].status.lower())
            counts[word] = counts.get(word, 0) + 1
    columns = MAPPINGS.c
    for (provider_id, spoken), count in sorted(counts.items(), key=str):
        connection.execute(
            update(MAPPINGS)
            .where(columns.provider_id == provider_id, columns.provider_status == spoken)
            .values(hits=columns.hits + count)
        )


def replay(connection: Connection, callback_id: UUID) -> End:
    """Work through one callback again, whatever became of it before.

    Raises:
        NotFoundError: there is no such callback.
        GoneError: retention has removed what came.
    """
    check_there(connection, callback_id)
    token = new_id()
    again = {"lease_token": token, "due_at": utcnow()}
    changed = connection.execute(
        update(CALLBACKS).where(CALLBACKS.c.id == callback_id).values(again)
    )
    if not changed.rowcount:
        raise NotFoundError("no such callback")
    [end] = process(connection, token, [callback_id])
    return end


def check_there(connection: Connection, callback_id: UUID) -> None:
    """Lock a callback, and refuse to read again what is not there any more.

    Raises:
        GoneError: retention has removed what came.
    """
    names = (CALLBACKS.c.id, CALLBACKS.c.purged_at, CALLBACKS.c.body_sha256)
    for row in database().lock(connection, CALLBACKS, CALLBACKS.c.id == callback_id, names):
        queries.refuse_purged(row)
