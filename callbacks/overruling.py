"""Staff overrule what a mail was taken for: this one, and by a rule all that are alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, update

from callbacks import mails, queries, rules
from callbacks.mails import Judged
from callbacks.models import Callback, CallbackKind, CallbackState, Ruling
from core.db import database
from core.editing import By
from core.errors import ConflictError, NotFoundError
from core.settings import current
from invoices.services import overrules, suppressions
from invoices.services.actions import Order
from invoices.services.suppressions import Bounce
from status.models import Cause, Status, StatusEvent

CALLBACKS = Callback.__table__
EVENTS = StatusEvent.__table__

NOTE_LENGTH = 500
MOST_OTHERS = 50
OVERRULED = "overruled, "


@dataclass(frozen=True, slots=True)
class Overruled:
    """What came of it: the rule, what the delivery is now, and the mails that are alike.

    `alike_count` are those that are stored of the last 90 days, this one among them, and
    `changed_count` those of them that the rule takes for something else.
    """

    rule_id: UUID
    state: str
    alike_count: int
    changed_count: int


@dataclass(frozen=True, slots=True)
class _Case:
    """A mail that is overruled.

    `others` say of other mails about the delivery whether they tell of a hard bounce, as rules are
    now, or as they were when retention has removed the mail; None: of no bounce.
    """

    row: Row[Any]
    delivery_id: UUID
    was: Ruling
    ruling: Ruling
    reason: str
    others: Sequence[bool | None]

    @property
    def is_said_by_others(self) -> bool:
        """Tell whether another mail says that the delivery failed."""
        return any(is_hard is not None for is_hard in self.others)

    @property
    def note(self) -> str:
        """Return what the history says."""
        words = f"{OVERRULED}{rules.SAID[self.ruling]} and not {rules.SAID[self.was]}"
        return f"{words}: {self.reason.strip()}"[:NOTE_LENGTH]


def overrule(
    connection: Connection, callback_id: UUID, ruling: Ruling, *, reason: str, by: By
) -> Overruled:
    """Take a mail for something else, and all that are alike from now on.

    The invoice and the suppression of the address follow. Of other mails that came before nothing
    changes; each can be worked through again, or be overruled as this one.

    Raises:
        NotFoundError: there is no such callback.
        InputError: no reason is given.
        ConflictError: it is no mail about a delivery of ours, or is taken for that already.
        GoneError: retention has removed the mail.
    """
    row = _locked(connection, callback_id)
    before = _judged(connection, [row])[row.id]
    if before.like is None or before.delivery_id is None:
        raise ConflictError("the mail does not prove that it is about a delivery of ours")
    was = rules.taken_for(before.is_hard)
    if was is ruling:
        raise ConflictError(f"it is taken for {rules.SAID[ruling]} already")
    alike = rules.alike(connection, before.like.mark)
    rule_id = rules.put(
        connection, before.like, ruling, callback_id=callback_id, reason=reason, by=by
    )
    others = _others(connection, row, before.delivery_id)
    case = _Case(row, before.delivery_id, was, ruling, reason, others)
    state = _settle(connection, case, by)
    after = _judged(connection, [row])[row.id]
    _count(connection, case, after, by)
    _write(connection, row, after)
    return Overruled(rule_id, state, len(alike), len(rules.changed_by(alike, ruling)))


def _locked(connection: Connection, callback_id: UUID) -> Row[Any]:
    found = database().lock(connection, CALLBACKS, CALLBACKS.c.id == callback_id)
    if not found:
        raise NotFoundError("there is no such callback")
    [row] = found
    queries.refuse_purged(row)
    if row.kind != CallbackKind.DSN:
        raise ConflictError("it is no mail; what a provider's word means is said by its mapping")
    if row.state == CallbackState.RECEIVED:
        raise ConflictError("nobody has worked through it yet; look at it again soon")
    return row


def _judged(connection: Connection, rows: Sequence[Row[Any]]) -> dict[UUID, Judged]:
    return mails.judge(connection, rows, current().secret_key) if rows else {}


def _others(connection: Connection, row: Row[Any], delivery_id: UUID) -> list[bool | None]:
    columns = CALLBACKS.c
    statement = select(CALLBACKS).where(
        columns.delivery_id == delivery_id,
        columns.kind == CallbackKind.DSN,
        columns.id != row.id,
        columns.is_hard.is_not(None),
    )
    found = list(connection.execute(statement.order_by(columns.id.desc()).limit(MOST_OTHERS)))
    there = [one for one in found if one.purged_at is None]
    removed = [bool(one.is_hard) for one in found if one.purged_at is not None]
    return [*(one.is_hard for one in _judged(connection, there).values()), *removed]


def _settle(connection: Connection, case: _Case, by: By) -> str:
    """Let the delivery and its invoice follow; return what the delivery is now."""
    is_undeliverable = None
    if case.ruling is Ruling.NONE:
        stays = case.is_said_by_others or not _was_said_by_mail(connection, case.delivery_id)
        is_undeliverable = None if stays else False
    elif case.was is Ruling.NONE:
        is_undeliverable = True
    order = Order(reason=case.note, actor=by.actor, cause=Cause.STAFF)
    return overrules.overrule(connection, case.delivery_id, is_undeliverable, order)


def _was_said_by_mail(connection: Connection, delivery_id: UUID) -> bool:
    """Tell whether a mail, or staff who overruled one, made the delivery undeliverable.

    What a provider has said, or the recipient's server while we sent, is not for a mail to undo.
    """
    columns = EVENTS.c
    failed = (columns.delivery_id == delivery_id, columns.to_status == Status.UNDELIVERABLE)
    moved = columns.from_status != columns.to_status
    newest = select(columns.note, columns.cause).where(*failed, moved)
    last = connection.execute(newest.order_by(columns.sequence.desc()).limit(1)).one_or_none()
    if last is None:
        # The invoice was sent again before: no event of its own tells of the earlier delivery.
        return True
    if last.cause == Cause.STAFF:
        return str(last.note).startswith(OVERRULED)
    mine = (CALLBACKS.c.delivery_id == delivery_id, CALLBACKS.c.kind == CallbackKind.DSN)
    notes = set(connection.scalars(select(CALLBACKS.c.note).where(*mine)))
    return last.note in notes


def _count(connection: Connection, case: _Case, after: Judged, by: By) -> None:
    """Take back what the mail was counted for, and count it for what it is."""
    if case.was is not Ruling.NONE and not case.is_said_by_others:
        suppressions.take_back(connection, case.delivery_id, by=by.actor, reason=case.note)
    if after.is_hard is not None:
        bounce = Bounce(delivery_id=case.delivery_id, is_hard=after.is_hard, reason=after.note)
        suppressions.record(connection, [bounce])


def _write(connection: Connection, row: Row[Any], after: Judged) -> None:
    values = {
        "provider_status": str(after.kind),
        "is_hard": after.is_hard,
        "likeness": after.like.mark if after.like else None,
    }
    connection.execute(update(CALLBACKS).where(CALLBACKS.c.id == row.id).values(values))
