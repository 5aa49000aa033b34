"""Reads of callbacks, for staff."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, select

from callbacks.models import Callback, CallbackState
from core.db import database
from core.errors import GoneError, NotFoundError
from invoices.models import Provider

CALLBACKS = Callback.__table__
PROVIDERS = Provider.__table__

LOOKED_AT = 20_000
MOST_WORDS = 50
_WITHOUT_BODY = [column for column in CALLBACKS.c if column.name not in {"body", "headers"}]


def newest(
    connection: Connection, state: str | None, provider: str | None, count: int
) -> list[Row[Any]]:
    """Return up to `count` callbacks without their bodies, newest first.

    `conflict` are those that came again with another body, whatever became of the first.
    """
    statement = select(*_WITHOUT_BODY, PROVIDERS.c.code.label("provider")).outerjoin(
        PROVIDERS, PROVIDERS.c.id == CALLBACKS.c.provider_id
    )
    if state == CallbackState.CONFLICT:
        statement = statement.where(CALLBACKS.c.conflict_sha256.is_not(None))
    elif state is not None:
        statement = statement.where(CALLBACKS.c.state == state)
    if provider is not None:
        statement = statement.where(CALLBACKS.c.provider_id == provider_id(connection, provider))
    return list(connection.execute(statement.order_by(CALLBACKS.c.id.desc()).limit(count)))


def unmapped_words(connection: Connection, provider_id: UUID | None = None) -> list[Row[Any]]:
    """Return the words that wait for somebody to say what they mean, the most frequent first.

    Rows have `provider_id`, `word`, `count` and `last_at`. Only the newest LOOKED_AT callbacks
    are looked at: finding all that wait would mean to read every callback there is.
    """
    names = ("provider_id", "provider_status", "state", "received_at")
    new = select(*(CALLBACKS.c[name] for name in names)).order_by(CALLBACKS.c.id.desc())
    looked_at = new.limit(LOOKED_AT).subquery()
    columns, count = looked_at.c, func.count().label("count")
    word = columns.provider_status.label("word")
    statement = (
        select(columns.provider_id, word, count, func.max(columns.received_at).label("last_at"))
        .where(columns.state == CallbackState.UNMAPPED, columns.provider_status.is_not(None))
        .group_by(columns.provider_id, columns.provider_status)
        .order_by(count.desc(), columns.provider_status)
    )
    if provider_id is not None:
        statement = statement.where(columns.provider_id == provider_id)
    return list(connection.execute(statement.limit(MOST_WORDS)))


def callback(connection: Connection, callback_id: UUID) -> Row[Any]:
    """Return one callback as it came, with what has become of it.

    Raises:
        NotFoundError: there is none.
    """
    found = connection.execute(
        select(CALLBACKS, PROVIDERS.c.code.label("provider"))
        .outerjoin(PROVIDERS, PROVIDERS.c.id == CALLBACKS.c.provider_id)
        .where(CALLBACKS.c.id == callback_id)
    ).first()
    if found is None:
        raise NotFoundError("There is no such callback")
    return found


def refuse_purged(callback: Row[Any]) -> None:
    """Refuse to give what is not there any more, and say what it was.

    Raises:
        GoneError: retention has removed what came.
    """
    if callback.purged_at is not None:
        raise GoneError(
            f"what came was removed by retention on {callback.purged_at:%Y-%m-%d};"
            f" its sha-256 was {callback.body_sha256}"
        )


def of_deliveries(
    connection: Connection, delivery_ids: Sequence[UUID], count: int
) -> list[Row[Any]]:
    """Return up to `count` callbacks about some deliveries, newest first, without their bodies."""
    own = select(*_WITHOUT_BODY).where(database().among(CALLBACKS.c.delivery_id, delivery_ids))
    return list(connection.execute(own.order_by(CALLBACKS.c.id.desc()).limit(count)))


def provider_id(connection: Connection, code: str) -> UUID:
    """Return the id of the provider called `code`.

    Raises:
        NotFoundError: there is none.
    """
    found: UUID | None = connection.scalar(select(PROVIDERS.c.id).where(PROVIDERS.c.code == code))
    if found is None:
        raise NotFoundError(f"No provider has the code {code}")
    return found
