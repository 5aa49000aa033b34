"""API keys: made, checked on each request, and taken back."""

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, insert, select, update
from sqlalchemy.exc import OperationalError

from core import editing
from core.access import Caller, refused
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.editing import Book, By
from core.errors import ConflictError, Finding, InputError, NotFoundError
from core.ids import new_id
from invoices.models import ApiKey, Environment, Source

logger = logging.getLogger(__name__)

KEYS = ApiKey.__table__
SOURCES = Source.__table__

KEY_BOOK = Book(KEYS, ("expires_at",), shown=("revoked_at",))

SCOPES = (
    "invoices:read",
    "invoices:write",
    "events:read",
    "subscriptions:read",
    "subscriptions:write",
    "reports:read",
)
"""What a key may be limited to."""

LONGEST_DAYS = 3650
NOTE_USE_EVERY = timedelta(minutes=1)

_TOKEN = re.compile(
    r"kv_(?P<environment>live|test)_(?P<prefix>[0-9a-f]{12})_(?P<secret>[0-9a-f]{64})"
)
_NO_KEY = "0" * 64

# Built once: this statement runs on every request.
_BY_PREFIX = (
    select(
        KEYS.c.id,
        KEYS.c.source_id,
        KEYS.c.secret_sha256,
        KEYS.c.environment,
        KEYS.c.scopes,
        KEYS.c.expires_at,
        KEYS.c.revoked_at,
        KEYS.c.last_used_at,
        SOURCES.c.name,
        SOURCES.c.is_disabled,
    )
    .join(SOURCES, SOURCES.c.id == KEYS.c.source_id)
    .where(KEYS.c.prefix == bindparam("prefix"))
)


def create_key(
    connection: Connection,
    source_id: UUID,
    environment: str,
    scopes: Collection[str] = (),
    expires_days: int | None = None,
) -> str:
    """Make a key for a source and return it; it is kept nowhere and cannot be shown again.

    No `scopes` allow everything that a source may do; without `expires_days` it has no end.

    Raises:
        InputError: an unknown scope or environment, or days out of range.
        NotFoundError: no such source.
        ConflictError: a live key for a test source.
    """
    _check(scopes, environment, expires_days)
    _check_source(connection, source_id, environment)
    prefix, secret = secrets.token_hex(6), secrets.token_hex(32)
    now = utcnow()
    row = {
        "id": new_id(),
        "source_id": source_id,
        "prefix": prefix,
        "secret_sha256": _digest(secret),
        "environment": environment,
        "scopes": sorted(set(scopes)),
        "expires_at": now + timedelta(days=expires_days) if expires_days else None,
        "created_at": now,
    }
    connection.execute(insert(KEYS).values(row))
    return f"kv_{environment}_{prefix}_{secret}"


def authenticate(token: str) -> Caller:
    """Return whose key `token` is.

    Raises:
        UnauthenticatedError: the same for a key that never was, a wrong secret, one that was
            revoked or has expired, and a disabled source.
    """
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise refused()
    with reading() as connection:
        row = connection.execute(_BY_PREFIX, {"prefix": match["prefix"]}).first()
    # Compared even where there is no such key, so that the time taken tells nothing.
    is_right = hmac.compare_digest(_digest(match["secret"]), row.secret_sha256 if row else _NO_KEY)
    now = utcnow()
    if row is None or not is_right or not _counts(row, match["environment"], now):
        raise refused()
    if row.last_used_at is None or row.last_used_at <= now - NOTE_USE_EVERY:
        _note_use(row.id, now)
    return Caller(
        source_id=row.source_id,
        source_name=row.name,
        environment=row.environment,
        scopes=frozenset(row.scopes),
        key_prefix=match["prefix"],
    )


def revoke(connection: Connection, prefix: str, by: By, version: int | None = None) -> None:
    """Take the key with `prefix` back; it stops counting with the commit.

    Raises:
        NotFoundError: no such key.
        ChangedError: somebody else has changed it since `version`.
    """
    found = _locked(connection, prefix, version)
    if found.revoked_at is None:
        editing.save(connection, KEY_BOOK, found, {"revoked_at": utcnow()}, by)


def set_expiry(
    connection: Connection,
    prefix: str,
    expires_at: datetime | None,
    by: By,
    version: int | None = None,
) -> None:
    """Say when a key ends; None: when it is revoked. One that has ended never counts again.

    Raises:
        InputError: a moment that is over, or more than ten years away.
        NotFoundError: no such key.
        ConflictError: it has ended already; make a new one.
        ChangedError: somebody else has changed it since `version`.
    """
    now = utcnow()
    if expires_at is not None and not now < expires_at <= now + timedelta(days=LONGEST_DAYS):
        message = f"expires_at: later than now, and at most {LONGEST_DAYS} days away"
        raise InputError.at("/expires_at", "range", message)
    found = _locked(connection, prefix, version)
    if found.revoked_at is not None or (found.expires_at is not None and found.expires_at <= now):
        raise ConflictError(f"the key {prefix} has ended; make a new one")
    editing.save(connection, KEY_BOOK, found, {"expires_at": expires_at}, by)


def _locked(connection: Connection, prefix: str, version: int | None) -> Row[Any]:
    found = connection.scalar(select(KEYS.c.id).where(KEYS.c.prefix == prefix))
    if found is None:
        raise NotFoundError(f"No key has the prefix {prefix}")
    return editing.locked(connection, KEY_BOOK, found, version)


def keys(connection: Connection) -> list[dict[str, Any]]:
    """Return all keys, without their secrets, by source and age."""
    columns = (KEYS.c.prefix, KEYS.c.environment, KEYS.c.scopes, KEYS.c.expires_at)
    times = (KEYS.c.revoked_at, KEYS.c.last_used_at, KEYS.c.created_at)
    statement = (
        select(SOURCES.c.name.label("source"), *columns, *times)
        .join(SOURCES, SOURCES.c.id == KEYS.c.source_id)
        .order_by(SOURCES.c.name, KEYS.c.id)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def _digest(secret: str) -> str:
    return hashlib.sha256(bytes.fromhex(secret)).hexdigest()


def _counts(row: Any, environment: str, now: datetime) -> bool:  # noqa: ANN401 - a row
    has_ended = row.expires_at is not None and row.expires_at <= now
    is_off = row.revoked_at is not None or row.is_disabled
    return not has_ended and not is_off and environment == row.environment


def _note_use(key_id: UUID, now: datetime) -> None:
    """Write when the key was last used; a request is not refused because that failed."""
    stale = KEYS.c.last_used_at.is_(None) | (KEYS.c.last_used_at <= now - NOTE_USE_EVERY)
    try:
        with unit_of_work() as connection:
            connection.execute(
                update(KEYS).where(KEYS.c.id == key_id, stale).values(last_used_at=now)
            )
    except OperationalError:
        logger.warning("last use of a key not noted", extra={"key_id": str(key_id)})


def _check(scopes: Iterable[str], environment: str, expires_days: int | None) -> None:
    findings = [
        Finding("/scopes", "scope", f"no scope {scope!r}; known: {', '.join(SCOPES)}")
        for scope in scopes
        if scope not in SCOPES
    ]
    if environment not in set(Environment):
        findings.append(Finding("/environment", "environment", "live or test"))
    if expires_days is not None and not 1 <= expires_days <= LONGEST_DAYS:
        findings.append(Finding("/expires_days", "range", f"1 to {LONGEST_DAYS} days"))
    if findings:
        raise InputError("; ".join(finding.message for finding in findings), findings=findings)


def _check_source(connection: Connection, source_id: UUID, environment: str) -> None:
    own = connection.scalar(select(SOURCES.c.environment).where(SOURCES.c.id == source_id))
    if own is None:
        raise NotFoundError("No such source")
    if own == Environment.TEST and environment == Environment.LIVE:
        message = "The source is a test source: its keys are test keys"
        raise ConflictError(message, findings=[Finding("/environment", "environment", message)])
