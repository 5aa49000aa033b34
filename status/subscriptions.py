"""Subscriptions: who is told, of what, and with which secrets that is signed."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, insert, select

from core import editing
from core.clock import utcnow
from core.editing import Book, By
from core.errors import Finding, InputError, NotFoundError
from core.ids import new_id
from core.settings import Settings
from core.targets import LookUp, Target, TargetError, check_url, resolve
from status.models import Subscription, SubscriptionState
from status.parking import park, unpark
from status.services import EVENT_TYPES
from status.signing import secret_of

SUBSCRIPTIONS = Subscription.__table__
BOOK = Book(SUBSCRIPTIONS, ("url", "event_types"), shown=("state", "state_reason"))

MOST = 50
"""Subscriptions of one source."""

LONGEST_URL = 2000
OLD_SECRET_LIVES = timedelta(hours=24)


def check_target(url: str, *, settings: Settings, look_up: LookUp | None = None) -> None:
    """Refuse a URL that may not be called; asks the resolver, so call it with nothing open.

    What it finds out holds for now: every push resolves and checks again. So a name that cannot
    be resolved at this moment is let pass.

    Raises:
        InputError: not a URL that may be called, or its name has an address that is not public.
    """
    target = _checked(url, settings)
    if settings.allow_private_targets:
        return
    try:
        resolve(target, allow_private=False, look_up=look_up)
    except TargetError as error:
        if not isinstance(error.__cause__, OSError):
            raise InputError.at("/url", "target", error.detail) from None


def subscribe(
    connection: Connection,
    source_id: UUID,
    url: str,
    event_types: Sequence[str] = (),
    *,
    settings: Settings,
) -> tuple[UUID, str]:
    """Add a subscription; returns its id and its secret, which is not shown again.

    No `event_types` mean all.

    Raises:
        InputError: a URL that may not be called, an unknown type, or one more than 50.
    """
    check(url, event_types, settings=settings)
    _check_room(connection, source_id)
    new = new_id()
    row = {
        "id": new,
        "source_id": source_id,
        "url": url,
        "event_types": list(event_types),
        "state": str(SubscriptionState.ACTIVE),
        "secret_numbers": [1],
        "failures": 0,
        "version": 1,
        "created_at": utcnow(),
    }
    connection.execute(insert(SUBSCRIPTIONS).values(row))
    return new, secret_text(new, 1, settings=settings)


def check(url: str | None, event_types: Sequence[str] | None, *, settings: Settings) -> None:
    """Look at what a subscription is to be made of; None: not given.

    Raises:
        InputError: all that is wrong.
    """
    findings: list[Finding] = []
    if url is not None:
        try:
            _checked(url, settings)
        except InputError as error:
            findings.extend(error.findings)
    for number, event_type in enumerate(event_types or ()):
        if event_type not in EVENT_TYPES:
            known = ", ".join(EVENT_TYPES)
            where = f"/event_types/{number}"
            findings.append(Finding(where, "event-type", f"event_types: choose from {known}"))
    if findings:
        raise InputError(findings[0].message, findings=findings)


def locked(
    connection: Connection,
    source_id: UUID | None,
    subscription_id: UUID,
    version: int | None = None,
) -> Row[Any]:
    """Return a subscription, locked for one of the verbs below; for staff, who give no source, any.

    Raises:
        NotFoundError: there is none, it is deleted, or it belongs to another source.
        ChangedError: somebody else has changed it since `version`.
    """
    found = editing.locked(connection, BOOK, subscription_id)
    is_foreign = source_id is not None and found.source_id != source_id
    if is_foreign or found.state == SubscriptionState.DELETED:
        raise NotFoundError("There is nothing with this id")
    editing.check_version(found, version, (*BOOK.fields, *BOOK.shown))
    return found


def change(
    connection: Connection,
    found: Row[Any],
    by: By,
    *,
    settings: Settings,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
) -> None:
    """Give a subscription another URL or other event types; None leaves them as they are.

    Raises:
        InputError: a URL that may not be called, or an unknown type.
    """
    check(url, event_types, settings=settings)
    given = {"url": url, "event_types": None if event_types is None else list(event_types)}
    values = {name: value for name, value in given.items() if value is not None}
    editing.save(connection, BOOK, found, values, by)


def pause(connection: Connection, found: Row[Any], by: By) -> None:
    """Stop pushing; events are parked meanwhile, and go out when it is enabled again."""
    values = {"state": str(SubscriptionState.PAUSED), "state_reason": by.comment}
    editing.save(connection, BOOK, found, values, by)


def enable(connection: Connection, found: Row[Any], by: By) -> None:
    """Push again, whoever stopped it: what is parked is due, the failures are forgotten."""
    values = {
        "state": str(SubscriptionState.ACTIVE),
        "state_reason": None,
        "failures": 0,
        "closed_until": None,
    }
    editing.save(connection, BOOK, found, values, by)
    unpark(connection, found.id)


def delete(connection: Connection, found: Row[Any], by: By) -> None:
    """Take a subscription out of sight; the row stays, since pushes refer to it."""
    values = {"state": str(SubscriptionState.DELETED), "state_reason": "deleted"}
    editing.save(connection, BOOK, found, values, by)
    park(connection, found.id)


def rotate_secret(connection: Connection, found: Row[Any], by: By, *, settings: Settings) -> str:
    """Make a new secret and return it; the old one signs beside it for 24 hours."""
    newest = found.secret_numbers[0]
    values = {
        "secret_numbers": [newest + 1, newest],
        "old_secret_until": utcnow() + OLD_SECRET_LIVES,
    }
    editing.save(connection, BOOK, found, values, by)
    return secret_text(found.id, newest + 1, settings=settings)


def secret_text(subscription_id: UUID, number: int, *, settings: Settings) -> str:
    """Return one secret of a subscription as its owner is shown it (`whsec_…`)."""
    return secret_of(subscription_id, number, settings.secret_key).text


def _checked(url: str, settings: Settings) -> Target:
    if len(url) > LONGEST_URL:
        raise InputError.at("/url", "length", f"url: at most {LONGEST_URL} characters")
    private = settings.allow_private_targets
    return check_url(url, allow_private=private, allow_http=private)


def _check_room(connection: Connection, source_id: UUID) -> None:
    columns = SUBSCRIPTIONS.c
    own = (columns.source_id == source_id, columns.state != SubscriptionState.DELETED)
    count = connection.scalar(select(func.count()).where(*own))
    if (count or 0) >= MOST:
        raise InputError.at("", "most", f"at most {MOST} subscriptions")
