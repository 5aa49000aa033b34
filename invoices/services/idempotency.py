"""Answering the same request the same way: Idempotency-Key."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from core.clock import utcnow
from core.db import database
from core.errors import ConflictError, InputError, UnreadableError
from core.ids import new_id
from invoices.models import IdempotencyRecord

RECORDS = IdempotencyRecord.__table__
VISIBLE = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Request:
    """What makes two requests the same: source, operation, key and body."""

    source_id: UUID
    operation: str
    key: str
    body_sha256: str

    @classmethod
    def of(cls, source_id: UUID, operation: str, key: str, body: bytes) -> "Request":
        """Check the key and take the body's hash.

        Raises:
            UnreadableError: the key is not 1 to 255 visible ASCII characters.
        """
        if not VISIBLE.fullmatch(key):
            raise UnreadableError("Idempotency-Key must be 1 to 255 visible ASCII characters")
        return cls(source_id, operation, key, sha256(body).hexdigest())


@dataclass(frozen=True, slots=True)
class Remembered:
    """The answer that a request got the first time."""

    status_code: int
    body: dict[str, Any]


def recall(connection: Connection, request: Request) -> Remembered | None:
    """Return the first answer to the same request; None when it is new.

    Raises:
        InputError: the key came before with another body.
    """
    columns = RECORDS.c
    row = connection.execute(
        select(columns.body_sha256, columns.status_code, columns.answer).where(
            columns.source_id == request.source_id,
            columns.operation == request.operation,
            columns.key == request.key,
        )
    ).one_or_none()
    if row is None:
        return None
    if row.body_sha256 != request.body_sha256:
        raise InputError("this Idempotency-Key was used for another body")
    return Remembered(row.status_code, json.loads(row.answer))


def remember(
    connection: Connection, request: Request, status_code: int, body: Mapping[str, Any]
) -> None:
    """Keep the answer, in the transaction of the work itself.

    Raises:
        ConflictError: the same key is being worked on by a request that has just ended.
    """
    row = {
        "id": new_id(),
        "source_id": request.source_id,
        "operation": request.operation,
        "key": request.key,
        "body_sha256": request.body_sha256,
        "status_code": status_code,
        "answer": json.dumps(body),
        "created_at": utcnow(),
    }
    if not database().insert_new(connection, RECORDS, [row]):
        detail = "a request with this Idempotency-Key is in flight"
        raise ConflictError(detail, headers={"Retry-After": "1"})
