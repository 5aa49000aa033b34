"""Builders of valid records; a test names only what it cares about."""

import json
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from core import pace
from core.db import unit_of_work
from core.web import settings
from invoices import access, setup
from invoices.schemas import read_json_invoice
from invoices.services import intake
from invoices.setup import NewProvider
from status import services as history
from status.models import Cause, Status
from status.subscriptions import subscribe

_numbers = count(1)


@dataclass(frozen=True)
class SourceWithKey:
    """A source as tests use it."""

    id: UUID
    name: str
    environment: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """What a request of this source carries."""
        return {"Authorization": f"Bearer {self.key}"}


def add_source(
    name: str | None = None,
    *,
    environment: str = "test",
    provider: str | None = "sandbox",
    scopes: tuple[str, ...] = (),
) -> SourceWithKey:
    """Store a source with a key; its provider is made when there is none of that code yet."""
    name = name or f"source-{next(_numbers)}"
    with unit_of_work() as connection:
        known = {row["code"] for row in setup.providers(connection)}
        if provider and provider not in known:
            new = NewProvider(code=provider, channel="sandbox", is_idempotent=True)
            setup.add_provider(connection, new, settings=settings())
            # As one that has long been quick: how that is earned has tests of its own.
            providers = setup.PROVIDERS
            known_quick = update(providers).where(providers.c.code == provider)
            connection.execute(known_quick.values(pace=pace.MOST))
        source_id = setup.add_source(connection, name, environment, provider)
        key = access.create_key(connection, source_id, environment, scopes)
    return SourceWithKey(source_id, name, environment, key)


def client_of(app: Flask, key: str) -> FlaskClient:
    """Return an HTTP client that sends `key` with each request."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key}"
    return client


def invoice_json(**changes: object) -> dict[str, Any]:
    """Return a body that the API accepts."""
    body: dict[str, Any] = {
        "number": f"2026-{next(_numbers):05}",
        "issue_date": "2026-11-20",
        "due_date": "2026-12-20",
        "currency": "EUR",
        "seller": {"name": "Blau & Söhne", "id": "DE123456789", "email": "office@seller.example"},
        "buyer": {"name": "Grün AG", "email": "deliver@sandbox.example"},
        "lines": [
            {
                "description": "Paper",
                "quantity": "10",
                "unit_price": "10.00",
                "net_amount": "100.00",
                "tax_rate": "19",
            }
        ],
        "tax_amount": "19.00",
        "payable_amount": "119.00",
    }
    return body | changes


def add_invoice(source: SourceWithKey, **changes: object) -> UUID:
    """Store an invoice as if it had come as JSON."""
    new = read_json_invoice(json.dumps(invoice_json(**changes)).encode())
    with unit_of_work() as connection:
        return intake.accept(connection, source.id, source.environment, new).id


def add_event(
    source: SourceWithKey, invoice_id: UUID, sequence: int, to_status: str = Status.SENT
) -> None:
    """Append an event to an invoice's history, leaving the invoice as it is."""
    change = history.Change(
        invoice_id=invoice_id,
        source_id=source.id,
        number="1",
        external_id=None,
        sequence=sequence,
        from_status=Status.SENDING,
        to_status=to_status,
        cause=Cause.DISPATCH,
    )
    with unit_of_work() as connection:
        history.record(connection, [change])


def add_subscription(
    source: SourceWithKey, url: str = "http://127.0.0.1:9/hook", event_types: tuple[str, ...] = ()
) -> tuple[UUID, str]:
    """Store a subscription; returns its id and its secret."""
    with unit_of_work() as connection:
        return subscribe(connection, source.id, url, event_types, settings=settings())
