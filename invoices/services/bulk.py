"""One verb for many invoices: planned, asked for once, and done a hundred at a time.

What is asked for is a row with one item per invoice; a request does the first few seconds of it
and workers the rest. Verb and result are committed together, so whoever goes on after a crash
does no invoice twice.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from core import stopping
from core.bell import ring_after_commit
from core.clock import utcnow
from core.db import database, insist
from core.errors import ConflictError, InputError, NotFoundError
from core.ids import new_id
from core.queues import TaskName
from invoices.models import BulkAct, BulkItem, BulkOutcome, BulkState, Invoice
from invoices.services.actions import NEEDS_CONSENT, STATES, VERBS, Order
from status.models import Cause

INVOICES = Invoice.__table__
ACTS = BulkAct.__table__
ITEMS = BulkItem.__table__

MOST = 10_000
"""Invoices of one bulk act."""

AT_ONCE = 100
"""Invoices of one transaction."""

BULK_VERBS = ("cancel", "hold", "release", "resend")
"""What many can be told; to reconcile, somebody has to find out about each."""

LONGEST_REASON = 500
LONGEST_NONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants done to which invoices, and why.

    `nonce` is that of the form: sent twice, it is one wish. `is_confirmed`: also those that were
    sent before, which reaches somebody twice. `provider`, `to`: as the verb takes them.
    """

    verb: str
    invoice_ids: Sequence[UUID]
    reason: str
    actor: str
    nonce: str
    is_confirmed: bool = False
    provider: str | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a verb would do: how many invoices at which status, before anything is done.

    `can` go at once, `needs_consent` only if somebody says so, `cannot` stay as they are; each
    by status. `missing` ids are no invoices.
    """

    can: Mapping[str, int]
    needs_consent: Mapping[str, int]
    cannot: Mapping[str, int]
    missing: int = 0

    @property
    def total(self) -> int:
        """How many invoices were chosen."""
        return sum(sum(part.values()) for part in (self.can, self.needs_consent, self.cannot))


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a bulk act has come; `refusals` says why and how many."""

    id: UUID
    verb: str
    state: BulkState
    total: int
    done: int
    refused: int
    refusals: Mapping[str, int] = field(default_factory=dict)


def chosen(connection: Connection, *clauses: ColumnElement[bool]) -> list[UUID]:
    """Return the ids of all invoices that a list shows, by the conditions that narrow it.

    Raises:
        InputError: more than 10,000.
    """
    statement = select(INVOICES.c.id).where(*clauses).limit(MOST + 1)
    found = list(connection.scalars(statement))
    _check_number(len(found))
    return sorted(found)


def plan(connection: Connection, verb: str, invoice_ids: Sequence[UUID]) -> Plan:
    """Say what a verb would do to these invoices as they are now.

    Raises:
        InputError: no such verb, no invoices, or more than 10,000.
    """
    _check(verb, invoice_ids)
    wanted = set(invoice_ids)
    counts = _by_status(connection, wanted)
    consent = {name for name in NEEDS_CONSENT if verb == "resend"}
    allowed = STATES[verb]
    return Plan(
        can={name: n for name, n in counts.items() if name in allowed - consent},
        needs_consent={name: n for name, n in counts.items() if name in consent},
        cannot={name: n for name, n in counts.items() if name not in allowed},
        missing=len(wanted) - sum(counts.values()),
    )


def begin(connection: Connection, wish: Wish) -> UUID:
    """Take a wish in and return its id; the same nonce again is the same wish.

    Raises:
        InputError: a verb, a reason or a number of invoices that cannot be.
    """
    _check(wish.verb, wish.invoice_ids)
    _check_words(wish)
    ids = _existing(connection, wish.invoice_ids)
    row = _row(wish, len(ids))
    if not database().insert_new(connection, ACTS, [row]):
        known = select(ACTS.c.id).where(ACTS.c.nonce == wish.nonce)
        return UUID(str(connection.execute(known).scalar_one()))
    items = [
        {"bulk_id": row["id"], "position": n, "invoice_id": one, "outcome": None, "detail": None}
        for n, one in enumerate(ids)
    ]
    database().insert_many(connection, ITEMS, items)
    ring_after_commit(TaskName.GET_BULK_ACTS)
    return UUID(str(row["id"]))


def go_on(bulk_id: UUID, seconds: float) -> bool:
    """Work on a bulk act for about so long; return whether it is finished.

    Several may do so at the same time: each hundred is done by one of them.
    """
    stop_at = monotonic() + seconds
    while insist(partial(_next_page, bulk_id=bulk_id)):
        if monotonic() >= stop_at or stopping.is_asked():
            return False
    return True


def stop(connection: Connection, bulk_id: UUID) -> None:
    """End a bulk act; what was done stays done.

    Raises:
        NotFoundError: there is none.
        ConflictError: it has ended already.
    """
    act = _locked(connection, bulk_id)
    if act.state != BulkState.RUNNING:
        raise ConflictError(f"it is {act.state} already")
    _end(connection, bulk_id, BulkState.STOPPED)


def progress(connection: Connection, bulk_id: UUID) -> Progress:
    """Say how far a bulk act has come.

    Raises:
        NotFoundError: there is none.
    """
    act = connection.execute(select(ACTS).where(ACTS.c.id == bulk_id)).one_or_none()
    if act is None:
        raise NotFoundError("There is nothing with this id")
    columns = ITEMS.c
    refused = (columns.bulk_id == bulk_id, columns.outcome == BulkOutcome.REFUSED)
    reasons = select(columns.detail, func.count()).where(*refused).group_by(columns.detail)
    return Progress(
        id=bulk_id,
        verb=act.verb,
        state=BulkState(act.state),
        total=act.total,
        done=act.done_count,
        refused=act.refused_count,
        refusals={row[0]: row[1] for row in connection.execute(reasons)},
    )


def results(connection: Connection, bulk_id: UUID, after: int, count: int) -> list[Row[Any]]:
    """Return up to `count` items after a position, with the invoice's number."""
    columns = ITEMS.c
    statement = (
        select(ITEMS, INVOICES.c.number)
        .join(INVOICES, INVOICES.c.id == columns.invoice_id)
        .where(columns.bulk_id == bulk_id, columns.position > after)
        .order_by(columns.position)
    )
    return list(connection.execute(statement.limit(count)))


def _by_status(connection: Connection, ids: set[UUID]) -> dict[str, int]:
    columns = INVOICES.c
    mine = database().among(columns.id, ids)
    statement = select(columns.status, func.count()).where(mine).group_by(columns.status)
    return {row[0]: row[1] for row in connection.execute(statement)}


def _existing(connection: Connection, ids: Sequence[UUID]) -> list[UUID]:
    """Return those ids that are invoices; locks are taken in this order later on."""
    mine = database().among(INVOICES.c.id, set(ids))
    return sorted(connection.scalars(select(INVOICES.c.id).where(mine)))


def _row(wish: Wish, total: int) -> dict[str, Any]:
    now = utcnow()
    places = {"provider": wish.provider, "to": wish.to}
    return {
        "id": new_id(),
        "nonce": wish.nonce,
        "verb": wish.verb,
        "reason": wish.reason,
        "actor": wish.actor,
        "is_confirmed": wish.is_confirmed,
        "options": {name: text for name, text in places.items() if text},
        "state": str(BulkState.RUNNING),
        "total": total,
        "done_count": 0,
        "refused_count": 0,
        "due_at": now,
        "lease_token": None,
        "created_at": now,
        "finished_at": None,
    }


def _next_page(connection: Connection, bulk_id: UUID) -> bool:
    """Do the next hundred in this transaction; False when there are no more."""
    act = _locked(connection, bulk_id)
    if act.state != BulkState.RUNNING:
        return False
    columns = ITEMS.c
    waiting = select(columns.position, columns.invoice_id).where(
        columns.bulk_id == bulk_id, columns.outcome.is_(None)
    )
    items = connection.execute(waiting.order_by(columns.position).limit(AT_ONCE)).all()
    ends = Counter(_do(connection, act, item) for item in items)
    counts = {
        "done_count": ACTS.c.done_count + ends[BulkOutcome.DONE],
        "refused_count": ACTS.c.refused_count + ends[BulkOutcome.REFUSED],
    }
    connection.execute(update(ACTS).where(ACTS.c.id == bulk_id).values(**counts))
    if len(items) < AT_ONCE:
        _end(connection, bulk_id, BulkState.DONE)
        return False
    return True


def _do(connection: Connection, act: Row[Any], item: Row[Any, Any]) -> BulkOutcome:
    """Carry the verb out for one invoice and write what became of it.

    A verb refuses before it writes anything, so the transaction can go on.
    """
    order = Order(reason=act.reason, actor=act.actor, cause=Cause.STAFF)
    options = dict(act.options) | ({"confirm": act.is_confirmed} if act.verb == "resend" else {})
    outcome, detail = BulkOutcome.DONE, None
    try:
        VERBS[act.verb](connection, item.invoice_id, order, **options)
    except (ConflictError, InputError, NotFoundError) as error:
        outcome, detail = BulkOutcome.REFUSED, error.detail[:500]
    mine = (ITEMS.c.bulk_id == act.id, ITEMS.c.position == item.position)
    values = {"outcome": str(outcome), "detail": detail}
    connection.execute(update(ITEMS).where(*mine).values(**values))
    return outcome


def _locked(connection: Connection, bulk_id: UUID) -> Row[Any]:
    statement = select(ACTS).where(ACTS.c.id == bulk_id).with_for_update()
    act = connection.execute(statement).one_or_none()
    if act is None:
        raise NotFoundError("There is nothing with this id")
    return act


def _end(connection: Connection, bulk_id: UUID, state: BulkState) -> None:
    values = {"state": str(state), "due_at": None, "lease_token": None, "finished_at": utcnow()}
    connection.execute(update(ACTS).where(ACTS.c.id == bulk_id).values(**values))


def _check(verb: str, invoice_ids: Sequence[UUID]) -> None:
    if verb not in BULK_VERBS:
        raise InputError.at("/verb", "verb", f"one of {', '.join(BULK_VERBS)}")
    if not invoice_ids:
        raise InputError.at("/invoice_ids", "number", "no invoice is chosen")
    _check_number(len(set(invoice_ids)))


def _check_number(count: int) -> None:
    if count > MOST:
        message = f"more than {MOST:,} invoices; narrow the list"
        raise InputError.at("/invoice_ids", "number", message)


def _check_words(wish: Wish) -> None:
    if not 1 <= len(wish.reason.strip()) <= LONGEST_REASON or not wish.reason.isprintable():
        message = f"reason: one line of 1 to {LONGEST_REASON} characters"
        raise InputError.at("/reason", "length", message)
    if not 1 <= len(wish.nonce) <= LONGEST_NONCE or not wish.nonce.isascii():
        raise InputError.at("/nonce", "length", f"nonce: 1 to {LONGEST_NONCE} ASCII characters")
