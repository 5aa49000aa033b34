"""Mails in the database: each kept raw as a callback, once, and how far a mailbox was read."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.parser import BytesHeaderParser
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, select, update

from callbacks.mailbox.protocol import Folder, Mail
from callbacks.mails import NOISE
from callbacks.models import Callback, CallbackKind, CallbackState, MailboxProgress
from core.db import database
from core.ids import new_id
from core.visible import visible

CALLBACKS = Callback.__table__
PROGRESS = MailboxProgress.__table__

KEPT_HEADERS = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "content-type",
    "auto-submitted",
    "return-path",
)
"""Headers that are shown with a mail without opening it."""

LONGEST_VALUE = 1000
LONGEST_HEAD = 64 * 1024
"""So much of a mail is searched for its headers here, in bytes."""

LONGEST_NAME = 255

CUT = "kept"
"""Shown among the headers of a mail of which only the beginning is stored."""


_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail that is safe in the database; `is_new` False: it was there before."""

    uid: int
    id: UUID
    is_new: bool


def keep(
    connection: Connection, mails: Sequence[Mail], token: UUID, now: datetime, until: datetime
) -> list[Kept]:
    """Store mails that are not stored yet, claimed for `token` until `until`.

    One that was stored by a run that died before it was worked through is claimed again.
    """
    keys = [mail_key(mail.raw) for mail in mails]
    once = dict(zip(keys, mails, strict=True))
    rows = [
        _row(key, mail, now) | {"lease_token": token, "due_at": until} for key, mail in once.items()
    ]
    new = database().insert_new(connection, CALLBACKS, rows)
    columns = CALLBACKS.c
    wanted = database().among(columns.mail_key, list(once))
    found = connection.execute(select(columns.mail_key, columns.id).where(wanted))
    ids = {row.mail_key: row.id for row in found}
    waiting = and_(wanted, columns.state == CallbackState.RECEIVED)
    again = {"lease_token": token, "due_at": until}
    connection.execute(update(CALLBACKS).where(waiting).values(again))
    kept, seen = [], set[UUID]()
    for key, mail in zip(keys, mails, strict=True):
        callback_id = ids[key]
        kept.append(Kept(mail.uid, callback_id, callback_id in new - seen))
        seen.add(callback_id)
    return kept


def destinations(connection: Connection, kept: Iterable[Kept]) -> dict[Folder, list[int]]:
    """Return where each mail belongs, by the numbers of the mails.

    One that says something about a delivery of ours, or that a machine wrote for no reader, is
    processed; whatever somebody may have to look at is unmatched. One that nobody has worked
    through yet has no place: it stays, for the next run.
    """
    by_id: dict[UUID, list[int]] = {}
    for item in kept:
        by_id.setdefault(item.id, []).append(item.uid)
    columns = CALLBACKS.c
    statement = select(
        columns.id, columns.state, columns.delivery_id, columns.provider_status
    ).where(database().among(columns.id, list(by_id)))
    found: dict[Folder, list[int]] = {folder: [] for folder in Folder}
    for row in connection.execute(statement):
        if row.delivery_id is not None or row.provider_status in NOISE:
            found[Folder.PROCESSED] += by_id[row.id]
        elif row.state != CallbackState.RECEIVED:
            found[Folder.UNMATCHED] += by_id[row.id]
    return found


def kinds(connection: Connection, kept: Iterable[Kept]) -> dict[str, int]:
    """Count what the new ones among these mails are."""
    ids = [item.id for item in kept if item.is_new]
    columns = CALLBACKS.c
    statement = select(columns.provider_status).where(database().among(columns.id, ids))
    return dict(Counter(connection.scalars(statement.where(columns.provider_status.is_not(None)))))


def progress(connection: Connection, name: str, uid_validity: int) -> int:
    """Return the number of the last mail that was taken in; 0 when the server numbers anew."""
    row = connection.execute(
        select(PROGRESS.c.last_uid).where(
            PROGRESS.c.name == name[:LONGEST_NAME], PROGRESS.c.uid_validity == uid_validity
        )
    ).one_or_none()
    return int(row.last_uid) if row else 0


def remember(
    connection: Connection, name: str, uid_validity: int, last_uid: int, now: datetime
) -> None:
    """Write down how far a mailbox has been read."""
    name = name[:LONGEST_NAME]
    values = {"uid_validity": uid_validity, "last_uid": last_uid, "read_at": now}
    mine = PROGRESS.c.name == name
    changed = connection.execute(update(PROGRESS).where(mine).values(values))
    if not changed.rowcount:
        # The lease of the run is held: nobody else makes the row in between.
        connection.execute(PROGRESS.insert().values(id=new_id(), name=name, **values))


def mail_key(raw: bytes) -> str:
    """Return what tells a mail apart: the hash of its Message-ID and of what follows the headers.

    Headers may change as a mail is moved or comes by two ways. Without a Message-ID the hash is
    that of the whole.
    """
    message_id = _message_id(_headers(raw))
    if not message_id:
        return sha256(raw).hexdigest()
    end = _END_OF_HEAD.search(raw)
    content = raw[end.end() :] if end else b""
    return sha256(message_id.encode() + b"\0" + sha256(content).digest()).hexdigest()


def _row(key: str, mail: Mail, now: datetime) -> dict[str, Any]:
    headers = _headers(mail.raw)
    if mail.size > len(mail.raw):
        headers[CUT] = f"{len(mail.raw)} of {mail.size} bytes"
    return {
        "id": new_id(),
        "provider_id": None,
        "kind": str(CallbackKind.DSN),
        "headers": headers,
        "body": mail.raw,
        "body_sha256": sha256(mail.raw).hexdigest(),
        "dedupe_key": (_message_id(headers) or key)[:255],
        "mail_key": key,
        "conflict_sha256": None,
        "state": str(CallbackState.RECEIVED),
        "note": None,
        "provider_status": None,
        "delivery_id": None,
        "likeness": None,
        "is_hard": None,
        "occurred_at": None,
        "look_count": 0,
        "received_at": now,
        "finished_at": None,
    }


def _headers(raw: bytes) -> dict[str, str]:
    """Return the headers to show, each on one line; what is no text is shown as escapes."""
    # compat32 takes any bytes, in linear time; the default policy reads addresses and ids.
    parsed = BytesHeaderParser(policy=policy.compat32).parsebytes(raw[:LONGEST_HEAD])
    found: Mapping[str, Any] = {name: parsed.get(name) for name in KEPT_HEADERS}
    return {name: _line(value) for name, value in found.items() if value is not None}


def _line(value: object) -> str:
    text = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return visible(" ".join(text.split()))[:LONGEST_VALUE]


def _message_id(headers: Mapping[str, str]) -> str | None:
    match = _MESSAGE_ID.search(headers.get("message-id", ""))
    return match[0] if match else None
