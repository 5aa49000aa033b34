"""Trying a provider out with a document that cannot be taken for an invoice."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from core.clock import utcnow
from core.errors import InputError
from core.ids import new_id
from invoices import letters
from invoices.channels import Envelope, Result, Route, registry
from invoices.letters import Letter, Template
from invoices.models import ChannelName
from invoices.sandbox.faults import DOMAIN, Fault

NUMBER_BEGINS = "KUVERT-TEST-"
NOTE = "This is a test of the connection by Kuvert. It is no invoice; nobody owes anything."


def probe(provider: Row[Any], to: str | None) -> Result:
    """Hand a test document over, whatever state the provider is in; nothing is stored.

    It says three times that it is no invoice: by its number, by its only line and by the header
    `Kuvert-Test: 1`; a mail says so in its subject and text too. The sandbox is asked not to
    report on it.

    Raises:
        InputError: there is nothing to try with this channel, or a mail would go to nobody.
    """
    route = Route.of(provider)
    if not registry.has(route.channel):
        raise InputError(f"there is no way yet to try the channel {route.channel}")
    if not to and route.channel == ChannelName.SMTP:
        raise InputError.at("/to", "required", "a mail needs an address to go to; name your own")
    if to is None and route.channel == ChannelName.SANDBOX:
        to = f"{Fault.SILENT}@{DOMAIN}"
    ends = list(registry.get(route.channel).deliver(route, [_envelope(to)], _no_pause))
    return ends[0][1]


@dataclass(frozen=True, slots=True)
class _TestDraft:
    """A letter that nobody takes for one about an invoice."""

    number: str

    @property
    def template(self) -> Template:
        """What it says."""
        return Template(f"Test of the connection: {self.number}", NOTE)

    def write(self) -> Letter:
        """Write the letter."""
        return letters.write(self.template, letters.SAMPLE)


def _envelope(to: str | None) -> Envelope:
    key = new_id()
    number = f"{NUMBER_BEGINS}{key.hex[:12]}"
    return Envelope(
        delivery_id=key,
        attempt_id=new_id(),
        attempt=1,
        number=number,
        recipient=to,
        media_type="application/json",
        body=_document(number, to, key, utcnow().date()),
        draft=_TestDraft(number),
        is_test=True,
    )


def _document(number: str, to: str | None, key: UUID, today: date) -> bytes:
    """Write a well-formed invoice over nothing."""
    line = {"description": NOTE, "quantity": "1", "unit_price": "0.00", "net_amount": "0.00"}
    document = {
        "number": number,
        "issue_date": today.isoformat(),
        "currency": "EUR",
        "seller": {"name": "Kuvert test"},
        "buyer": {"name": "Kuvert test"} | ({"email": to} if to else {}),
        "lines": [line],
        "payable_amount": "0.00",
        "external_id": str(key),
    }
    return json.dumps(document).encode()


def _no_pause() -> None:
    """Do nothing while the answer is awaited."""
