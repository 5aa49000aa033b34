"""What a mail means for a delivery: only what proves with our token which one it speaks of.

| the mail | with our token | without |
|---|---|---|
| a final failure | `undeliverable`, with status, words, hard or soft | unmatched |
| a delay, a complaint, a relay, a reply by a person | a note in the history | unmatched |
| a success | `delivered` | unmatched |
| an automatic reply, our own mail | ignored | ignored |
| too large or too deep to read | unparsable | unparsable |

What staff made of a mail holds for its like (callbacks.rules), where a mail has proven itself.
Any of them proves that the mail was handed over: what was `unknown` is `sent` at least.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, or_, select

from callbacks import rules
from callbacks.mail import likeness
from callbacks.mail.likeness import Likeness
from callbacks.mail.understanding import understand
from callbacks.mail.verdict import Action, Firmness, Kind, Recipient, Understood
from callbacks.models import CallbackState
from core import mail_token
from core.clock import utcnow
from core.db import database
from invoices.models import Delivery, Provider
from invoices.services.verdicts import Verdict
from status.models import Status

logger = logging.getLogger(__name__)

DELIVERIES = Delivery.__table__
PROVIDERS = Provider.__table__

NOISE = frozenset({Kind.AUTO_REPLY, Kind.OWN})
"""What machines write for no reader."""

SMTP = "smtp"
"""The channel whose reference of a delivery is the Message-ID of its mail."""

WORDS_LENGTH = 500
_ORDER = (Action.FAILED, Action.DELAYED, Action.DELIVERED, Action.RELAYED, Action.EXPANDED)


@dataclass(frozen=True, slots=True)
class Judged:
    """One mail: what it is, the delivery it proves to speak of, and what that means.

    `verdict` None: it ends in `state` with `note`, and changes nothing. `is_hard` tells of a
    failure whether the address itself is no good; None for what is no failure. `like` is what it
    has in common with others, None for what no rule may change; `used` are the rules that counted.
    """

    kind: Kind
    delivery_id: UUID | None
    verdict: Verdict | None
    state: CallbackState
    note: str
    occurred_at: datetime | None
    is_hard: bool | None = None
    like: Likeness | None = None
    used: tuple[UUID, ...] = ()


def judge(connection: Connection, rows: Sequence[Row[Any]], secret_key: str) -> dict[UUID, Judged]:
    """Read mails and say what each means, by the ids of their rows."""
    understood = {row.id: _understood(row) for row in rows}
    proven = _proven(connection, understood, secret_key)
    # Nobody's rule lets in what does not prove whose it is.
    theirs = rules.find(connection, [understood[row_id] for row_id in proven])
    judged = {}
    for row in rows:
        mail, delivery = understood[row.id], proven.get(row.id)
        ruled = rules.apply(mail, theirs) if delivery is not None else rules.Ruled(mail)
        found = _judged(row, ruled.mail, delivery)
        judged[row.id] = replace(found, like=_like(mail, delivery), used=ruled.used)
    return judged


def _like(mail: Understood, delivery: Row[Any] | None) -> Likeness | None:
    """Return what a mail about a delivery has in common with its like, before any rule."""
    if delivery is None or mail.kind is Kind.OWN or mail.problem:
        return None
    return likeness.of(mail, _about(mail.recipients, delivery.recipient))


def _understood(row: Row[Any]) -> Understood:
    """Read one mail; one that we fail to read is kept for people, and the others go on."""
    try:
        return understand(row.body)
    except Exception as error:
        logger.exception("a mail cannot be read", extra={"callback_id": str(row.id)})
        problem = f"cannot be read: {type(error).__name__}"
        return Understood(kind=Kind.ORDINARY, why=[problem], problem=problem)


def _proven(
    connection: Connection, understood: Mapping[UUID, Understood], secret_key: str
) -> dict[UUID, Row[Any]]:
    """Return the delivery that each mail proves to speak of, by token or Message-ID."""
    keys = {
        row_id: mail_token.find(secret_key, [*mail.addressed_to, *mail.original_ids])
        for row_id, mail in understood.items()
    }
    ids = {one for mail in understood.values() for one in mail.original_ids}
    deliveries = _deliveries(connection, {key for found in keys.values() for key in found}, ids)
    found = {}
    for row_id, mail in understood.items():
        names: Iterable[object] = (*keys[row_id], *mail.original_ids)
        one = next((deliveries[name] for name in names if name in deliveries), None)
        if one is not None:
            found[row_id] = one
    return found


def _deliveries(
    connection: Connection, keys: set[UUID], message_ids: set[str]
) -> dict[object, Row[Any]]:
    """Return deliveries by dispatch key, and those that went by mail by their Message-ID too."""
    if not keys and not message_ids:
        return {}
    columns, handle = DELIVERIES.c, database()
    statement = (
        select(columns.id, columns.recipient, columns.provider_reference, PROVIDERS.c.channel)
        .join(PROVIDERS, PROVIDERS.c.id == columns.provider_id)
        .where(
            or_(
                handle.among(columns.id, keys),
                and_(
                    PROVIDERS.c.channel == SMTP,
                    handle.among(columns.provider_reference, message_ids),
                ),
            )
        )
    )
    found: dict[object, Row[Any]] = {}
    rows: list[Row[Any]] = list(connection.execute(statement))
    for row in rows:
        found[row.id] = row
        if row.channel == SMTP and row.provider_reference:
            found[row.provider_reference] = row
    return found


def _judged(row: Row[Any], mail: Understood, delivery: Row[Any] | None) -> Judged:
    occurred_at = _written_at(row)
    state, note = _without_effect(mail)
    if delivery is None or mail.kind in NOISE or mail.problem:
        delivery_id = delivery.id if delivery else None
        return Judged(mail.kind, delivery_id, None, state, note, occurred_at)
    one = _about(mail.recipients, delivery.recipient)
    subject = row.headers.get("subject", "")
    status, words, is_note = _meaning(mail.kind, one, subject)
    if mail.rule:
        words = f"no bounce, by {mail.rule}: {subject}"[:WORDS_LENGTH]
    verdict = Verdict(
        key=row.id,
        delivery_id=delivery.id,
        status=status,
        occurred_at=occurred_at,
        note=words,
        is_note=is_note,
    )
    is_hard = None
    if status is Status.UNDELIVERABLE:
        is_hard = one is not None and one.verdict is Firmness.HARD
    return Judged(mail.kind, delivery.id, verdict, state, words, occurred_at, is_hard)


def _without_effect(mail: Understood) -> tuple[CallbackState, str]:
    """Return how a mail ends that changes nothing."""
    if mail.problem:
        return CallbackState.UNPARSABLE, mail.problem
    if mail.kind in {*NOISE, Kind.ORDINARY}:
        return CallbackState.IGNORED, f"{mail.kind}: {mail.why[0]}"
    return CallbackState.UNMATCHED, f"{mail.kind}: it carries no token of ours"


def _meaning(kind: Kind, one: Recipient | None, subject: str) -> tuple[Status, str, bool]:
    """Return the status that a mail speaks for, its words, and whether that is a mere note."""
    if kind is Kind.FEEDBACK:
        return Status.SENT, "the recipient complained about the mail", True
    if one is None and kind is Kind.BOUNCE:
        return Status.UNDELIVERABLE, "bounced; nobody says why", False
    if one is None:
        return Status.SENT, f"a reply came: {subject}"[:WORDS_LENGTH], True
    by = f"by {one.rule}" if one.rule else ""
    words = ": ".join(part for part in (_in_short(one), by, one.diagnostic) if part)[:WORDS_LENGTH]
    if one.action is Action.FAILED:
        return Status.UNDELIVERABLE, words, False
    if one.action is Action.DELIVERED:
        return Status.DELIVERED, words, False
    return Status.SENT, words, True


def _about(recipients: Sequence[Recipient], address: str | None) -> Recipient | None:
    """Return what is said of the delivery's recipient; of others when it is passed on to them."""
    wanted = (address or "").lower()
    same = [one for one in recipients if one.address.lower() == wanted]
    return min(same or recipients, key=lambda one: _ORDER.index(one.action), default=None)


def _in_short(one: Recipient) -> str:
    """Return `bounced (hard, 5.1.1): no such mailbox`, and the like."""
    word = {Action.FAILED: "bounced", Action.DELAYED: "delayed"}.get(one.action, str(one.action))
    known = [part for part in (str(one.verdict), one.status) if part and part != "none"]
    facts = f" ({', '.join(known)})" if known else ""
    return f"{word}{facts}" + (f": {one.reason}" if one.reason != word else "")


def _written_at(row: Row[Any]) -> datetime | None:
    """Return when a mail says that it was written; never later than it came."""
    try:
        moment = parsedate_to_datetime(row.headers.get("date", ""))
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(aware.astimezone(UTC), utcnow())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
