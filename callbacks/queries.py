"""Reads of callbacks, for staff."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select

from callbacks.models import Callback, CallbackState
from core.db import database
from core.errors import NotFoundError
from invoices.models import Provider

CALLBACKS = Callback.__table__
PROVIDERS = Provider.__table__
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
