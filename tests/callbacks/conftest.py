"""A provider that calls back, and an invoice that was handed over to it."""

from dataclasses import dataclass
from uuid import UUID

import pytest
from flask import Flask

from callbacks import inbox
from tests.callbacks import calling
from tests.support import desk
from tests.support.channel import FakeChannel, answer
from tests.support.factories import SourceWithKey, add_invoice, add_source


@dataclass(frozen=True)
class Sent:
    """An invoice that a provider has accepted."""

    id: UUID
    delivery_id: UUID
    reference: str


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier test's providers were is forgotten; their secret is set."""
    inbox._senders.clear()
    monkeypatch.setenv(calling.SECRET_NAME, calling.SECRET)


@pytest.fixture
def acme(app: Flask) -> str:
    """The code of a provider."""
    calling.add_provider("acme")
    return "acme"


@pytest.fixture
def billing(acme: str) -> SourceWithKey:
    """A source whose invoices go to `acme`."""
    return add_source("billing", provider=acme)


@pytest.fixture
def sent(billing: SourceWithKey) -> Sent:
    """An invoice that `acme` has accepted."""
    invoice_id = add_invoice(billing)
    desk.send(FakeChannel(answer(202, b'{"id": "ref-1"}')))
    return Sent(invoice_id, desk.only(desk.DELIVERIES).id, "ref-1")
