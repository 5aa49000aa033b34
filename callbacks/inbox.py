"""Receiving callbacks: verified, stored raw in one statement, answered before any work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, update

from callbacks.models import Callback, CallbackKind, CallbackState
from callbacks.signatures import SignatureProfile, verify
from core.bell import bell
from core.db import database
from core.errors import NotFoundError
from core.ids import new_id
from core.queues import TaskName
from core.secrets import resolve
from invoices.models import Provider

CALLBACKS = Callback.__table__
PROVIDERS = Provider.__table__

KEPT_HEADERS = (
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-request-id",
)
"""Headers that are stored; those that carry credentials never are."""

LONGEST_KEY = 255

FRESH_SECONDS = 2.0
"""How long a process trusts what it knows of a provider; a changed secret counts after that."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A provider as the inbox needs it: how its callbacks are signed."""

    id: UUID
    profile: SignatureProfile
    secrets: Sequence[str]
    options: Mapping[str, str]
    known_at: float


_senders: dict[str, Sender] = {}


def sender(connection: Connection, code: str) -> Sender:
    """Return the provider called `code`.

    Raises:
        NotFoundError: there is none.
    """
    known = _senders.get(code)
    if known is not None and monotonic() - known.known_at < FRESH_SECONDS:
        return known
    if "\0" in code:  # which PostgreSQL cannot compare with
        raise NotFoundError("there is no such provider")
    columns = PROVIDERS.c
    row = connection.execute(
        select(
            columns.id, columns.callback_profile, columns.callback_secret_refs, columns.settings
        ).where(columns.code == code)
    ).one_or_none()
    if row is None:
        _senders.pop(code, None)
        raise NotFoundError(f"there is no provider '{code}'")
    secrets = tuple(resolve(reference) for reference in row.callback_secret_refs)
    profile = SignatureProfile(row.callback_profile)
    found = Sender(row.id, profile, secrets, _options(row.settings), monotonic())
    _senders[code] = found
    return found


def _options(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the provider's settings that say where its signature stands."""
    prefixed = {name: f"callback_{name}" for name in ("header", "timestamp_header", "form")}
    return {name: settings[key] for name, key in prefixed.items() if key in settings}


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer to a callback; `is_new` False: the same one came before."""

    id: UUID
    is_new: bool


def receive(
    connection: Connection, sender: Sender, headers: Mapping[str, str], body: bytes, now: datetime
) -> Stored:
    """Verify a callback and store it as it came; one statement for one that is new.

    Raises:
        UnauthenticatedError: the signature is missing, wrong or too old.
    """
    event_id = verify(
        sender.profile,
        secrets=sender.secrets,
        headers=headers,
        body=body,
        now=now,
        options=sender.options,
    )
    row = _row(sender, event_id, headers, body, now)
    if database().insert_new(connection, CALLBACKS, [row]):
        bell.ring(TaskName.GET_DUE_CALLBACKS)
        return Stored(row["id"], is_new=True)
    return _repeated(connection, row)


def _row(
    sender: Sender, event_id: str | None, headers: Mapping[str, str], body: bytes, now: datetime
) -> dict[str, Any]:
    digest = sha256(body).hexdigest()
    return {
        "id": new_id(),
        "provider_id": sender.id,
        "kind": str(CallbackKind.WEBHOOK),
        "headers": {name: headers[name][:1000] for name in KEPT_HEADERS if name in headers},
        "body": body,
        "body_sha256": digest,
        "dedupe_key": _dedupe_key(event_id) if event_id else digest,
        "conflict_sha256": None,
        "state": str(CallbackState.RECEIVED),
        "note": None,
        "provider_status": None,
        "delivery_id": None,
        "likeness": None,
        "is_hard": None,
        "occurred_at": None,
        "due_at": now,
        "lease_token": None,
        "look_count": 0,
        "received_at": now,
        "finished_at": None,
    }


def _dedupe_key(event_id: str) -> str:
    """Return the event id, or its hash where the column cannot hold it: never a part of it."""
    if len(event_id) <= LONGEST_KEY:
        return event_id
    return sha256(event_id.encode()).hexdigest()


def _repeated(connection: Connection, row: Mapping[str, Any]) -> Stored:
    """Answer with the first one's id; another body under the same key is flagged to staff."""
    columns = CALLBACKS.c
    same = (columns.provider_id == row["provider_id"]) & (columns.dedupe_key == row["dedupe_key"])
    first = connection.execute(select(columns.id, columns.body_sha256).where(same)).one()
    if first.body_sha256 != row["body_sha256"]:
        connection.execute(
            update(CALLBACKS)
            .where(columns.id == first.id)
            .values(conflict_sha256=row["body_sha256"], note="came again with another body")
        )
    return Stored(first.id, is_new=False)
