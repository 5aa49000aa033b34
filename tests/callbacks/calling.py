"""Calls back as a provider does, and works through what came."""

import base64
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import Row, select, update
from werkzeug.test import TestResponse

from callbacks import services
from callbacks.models import Callback, StatusMapping
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.ids import new_id
from core.web import settings
from core.webhooks import Secret, signed_headers
from invoices import setup
from invoices.setup import PROVIDERS, NewProvider
from tests.support import desk

CALLBACKS = Callback.__table__
MAPPINGS = StatusMapping.__table__
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
SECRET_NAME = "CALLING_SECRET"


def add_provider(code: str) -> UUID:
    """Store a provider whose callbacks are signed with `SECRET`."""
    refs = [f"env:{SECRET_NAME}"]
    new = NewProvider(code=code, channel="sandbox", is_idempotent=True, callback_secret_refs=refs)
    with unit_of_work() as connection:
        return setup.add_provider(connection, new, settings=settings())


def call(
    client: FlaskClient,
    code: str,
    body: object,
    *,
    event_id: str | None = None,
    secret: str = SECRET,
    age: int = 0,
    headers: dict[str, str] | None = None,
) -> TestResponse:
    """Call back, signed `age` seconds ago; a body that is no bytes becomes JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    now = int(utcnow().timestamp()) - age
    signed = signed_headers([Secret.parse(secret)], event_id or f"evt-{new_id()}", now, raw)
    given = {"Content-Type": "application/json", **dict(signed), **(headers or {})}
    return client.post(f"/callbacks/{code}", data=raw, headers=given)


def said(reference: object, status: str = "delivered", **more: object) -> dict[str, object]:
    """Return the body of a callback."""
    return {"reference": str(reference), "status": status, **more}


def come_due() -> None:
    """Let every callback that waits be due."""
    with unit_of_work() as connection:
        waits = update(CALLBACKS).where(CALLBACKS.c.due_at.is_not(None))
        connection.execute(waits.values(due_at=utcnow() - timedelta(seconds=1)))


def work() -> list[services.End]:
    """Claim what is due and work through it, as pump and task do."""
    token = new_id()
    with unit_of_work() as connection:
        groups = services.claim(connection, 1000, token, utcnow() + timedelta(minutes=5))
        ids: Sequence[UUID] = [item for group in groups for item in group.ids]
        return services.process(connection, token, ids) if ids else []


def stored() -> Row[Any]:
    """Return the single callback."""
    return desk.only(CALLBACKS)


def provider_id(code: str) -> UUID:
    """Return a provider's id."""
    with reading() as connection:
        found = connection.scalar(select(PROVIDERS.c.id).where(PROVIDERS.c.code == code))
    return UUID(str(found))
