"""Rules of staff about mails: what one mail was overruled to be holds for all that are alike."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, update

from callbacks.mail import likeness
from callbacks.mail.likeness import Likeness
from callbacks.mail.verdict import Action, Firmness, Kind, Recipient, Understood
from callbacks.models import Callback, MailRule, Ruling
from core import actor, editing
from core.clock import utcnow
from core.db import database
from core.editing import Book, By
from core.errors import InputError
from core.ids import first_id_of, new_id

CALLBACKS = Callback.__table__
RULES = MailRule.__table__
BOOK = Book(
    RULES, ("ruling", "reason", "callback_id", "is_disabled"), shown=("said_by", "template")
)

LOOKED_BACK = timedelta(days=90)
MOST_ALIKE = 200
REASON_LENGTH = 500

SAID = {
    Ruling.HARD: "a hard bounce",
    Ruling.SOFT: "a soft bounce",
    Ruling.NONE: "no bounce",
}
"""How rulings are called in sentences."""

_FAILURES = frozenset({Action.FAILED, Action.DELAYED})

Rules = Mapping[str, Row[Any]]
"""Rules by the mark of what they are about."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """A mail as the rules have it, and the ids of those that were used."""

    mail: Understood
    used: tuple[UUID, ...] = ()


def find(connection: Connection, mails: Iterable[Understood]) -> Rules:
    """Return the rules about any of these mails that are in force."""
    marks = {mark for mail in mails for mark in _marks(mail)}
    if not marks:
        return {}
    columns = RULES.c
    wanted = (database().among(columns.likeness, marks), columns.is_disabled.is_(False))
    return {row.likeness: row for row in connection.execute(select(RULES).where(*wanted))}


def _marks(mail: Understood) -> list[str]:
    """Return by what rules about a mail are found; none for what no rule may change."""
    if mail.kind is Kind.OWN or mail.problem:
        return []
    people: Sequence[Recipient | None] = mail.recipients or [None]
    return [likeness.of(mail, one).mark for one in people]


def apply(mail: Understood, rules: Rules) -> Ruled:
    """Return a mail as staff would have it.

    It is never asked here whose mail it is: only what proves itself may change an invoice.
    """
    marks = _marks(mail)
    found = [rules.get(mark) for mark in marks]
    used = [rule for rule in found if rule is not None]
    if not used:
        return Ruled(mail)
    why = [*mail.why, *dict.fromkeys(f"of {called(rule)}: {_verdict_of(rule)}" for rule in used)]
    people = list(mail.recipients) or [_nobody()]
    ruled = [
        one if rule is None else _ruled(one, rule) for one, rule in zip(people, found, strict=True)
    ]
    left = [one for one in ruled if one is not None and one.reason]
    kind = _kind_of(mail, left)
    dropped = called(used[0]) if kind is Kind.ORDINARY else None
    changed = replace(mail, kind=kind, recipients=left, why=why, rule=dropped)
    return Ruled(changed, tuple(rule.id for rule in used))


def _nobody() -> Recipient:
    """Return whom a mail speaks of that names nobody."""
    return Recipient(
        address="", action=Action.RELAYED, status=None, verdict=Firmness.NONE, reason=""
    )


def _ruled(one: Recipient, rule: Row[Any]) -> Recipient | None:
    """Return what staff say of a recipient; None when nothing failed for him."""
    if rule.ruling == Ruling.NONE:
        return None if one.action in _FAILURES else one
    return replace(
        one,
        action=Action.FAILED,
        verdict=Firmness(rule.ruling),
        reason=one.reason or "staff say that it bounced",
        rule=called(rule),
    )


def _kind_of(mail: Understood, left: list[Recipient]) -> Kind:
    actions = {one.action for one in left}
    if Action.FAILED in actions:
        return Kind.BOUNCE
    if Action.DELAYED in actions:
        return Kind.DELAY
    if mail.kind not in {Kind.BOUNCE, Kind.DELAY}:
        return mail.kind
    return Kind.SUCCESS if left else Kind.ORDINARY


def called(rule: Row[Any]) -> str:
    """Return `the rule of ann@example.com of 2026-11-22`."""
    when = rule.updated_at or rule.created_at
    return f"the rule of {rule.updated_by} of {when:%Y-%m-%d}"


def _verdict_of(rule: Row[Any]) -> str:
    return f"{SAID[Ruling(rule.ruling)]} ({rule.reason})"


def count_hits(connection: Connection, used: Iterable[UUID]) -> None:
    """Count the uses of rules; in one order, so that two batches do not lock each other out."""
    for rule_id, count in sorted(Counter(used).items(), key=str):
        more = {"hits": RULES.c.hits + count}
        connection.execute(update(RULES).where(RULES.c.id == rule_id).values(more))


def put(
    connection: Connection,
    like: Likeness,
    ruling: Ruling,
    *,
    callback_id: UUID,
    reason: str,
    by: By,
) -> UUID:
    """Make the rule about mails like this, or change the one that there is; return its id.

    Raises:
        InputError: no reason is given.
    """
    if not reason.strip():
        raise InputError.at("/reason", "length", "say why")
    now = utcnow()
    row: dict[str, Any] = {
        "id": new_id(),
        "likeness": like.mark,
        "said_by": like.said_by,
        "dsn_status": like.status,
        "template": like.template,
        "ruling": str(ruling),
        "reason": reason.strip()[:REASON_LENGTH],
        "callback_id": callback_id,
        "is_disabled": False,
        "hits": 0,
        "created_at": now,
        "version": 1,
        "updated_at": now,
        "updated_by": by.actor[: editing.LONGEST_ACTOR],
    }
    with actor.because(row["reason"]):
        is_new = bool(database().insert_new(connection, RULES, [row]))
    if is_new:
        return UUID(str(row["id"]))
    known = connection.execute(select(RULES.c.id).where(RULES.c.likeness == like.mark)).one()
    old = editing.locked(connection, BOOK, known.id)
    values = {name: row[name] for name in BOOK.fields}
    editing.save(connection, BOOK, old, values, By(by.actor, row["reason"]))
    return UUID(str(known.id))


def disable(connection: Connection, rule_id: UUID, by: By, *, is_disabled: bool) -> None:
    """Let a rule count no more, or again; what was done by it stays as it is.

    Raises:
        NotFoundError: there is no such rule.
    """
    old = editing.locked(connection, BOOK, rule_id)
    editing.save(connection, BOOK, old, {"is_disabled": is_disabled}, by)


def about(connection: Connection, mark: str) -> Row[Any] | None:
    """Return the rule about mails with this mark, in force or not; None when there is none."""
    return connection.execute(select(RULES).where(RULES.c.likeness == mark)).one_or_none()


def newest(connection: Connection, count: int) -> list[Row[Any]]:
    """Return up to `count` rules, newest first."""
    return list(connection.execute(select(RULES).order_by(RULES.c.id.desc()).limit(count)))


def alike(connection: Connection, mark: str) -> list[Row[Any]]:
    """Return stored mails that a rule is about, newest first: MOST_ALIKE of LOOKED_BACK."""
    columns = CALLBACKS.c
    names = ("id", "received_at", "state", "note", "is_hard", "delivery_id")
    since = first_id_of(utcnow() - LOOKED_BACK)
    statement = select(*(columns[name] for name in names)).where(
        columns.likeness == mark, columns.id >= since
    )
    return list(connection.execute(statement.order_by(columns.id.desc()).limit(MOST_ALIKE)))


def taken_for(is_hard: bool | None) -> Ruling:
    """Return what a mail is taken for that was worked through."""
    if is_hard is None:
        return Ruling.NONE
    return Ruling.HARD if is_hard else Ruling.SOFT


def changed_by(rows: Iterable[Row[Any]], ruling: Ruling) -> list[Row[Any]]:
    """Return those mails that `ruling` takes for something else than they were."""
    return [row for row in rows if taken_for(row.is_hard) is not ruling]
