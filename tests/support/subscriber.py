"""A subscriber for tests: takes signed events and reads them back by invoice."""

import json
from collections import defaultdict
from typing import Any

from core.clock import utcnow
from core.webhooks import Secret, verify
from tests.support.receiver import Receiver

A_DAY = 86_400


class Subscriber(Receiver):
    """A receiver that reads Standard Webhooks. `secret` is known once it has subscribed."""

    secret = ""

    def events(self) -> dict[str, list[dict[str, Any]]]:
        """Return the events by invoice, in the order of their sequence, each once.

        Fails when a signature does not verify, or one id came with two bodies.
        """
        bodies: dict[str, bytes] = {}
        secret = Secret.parse(self.secret)
        for request in list(self.requests):
            # Read back long after it came: its age says nothing here.
            event_id = verify([secret], request.headers, request.body, utcnow(), tolerance=A_DAY)
            assert request.has_signature_of(self.secret)
            assert bodies.setdefault(event_id, request.body) == request.body, event_id
        by_invoice: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for body in bodies.values():
            event = json.loads(body)
            by_invoice[event["data"]["invoice_id"]].append(event)
        for events in by_invoice.values():
            events.sort(key=lambda event: int(event["data"]["sequence"]))
        return by_invoice

    def types(self, invoice_id: str) -> list[str]:
        """Return the types of the events of an invoice in the order of their sequence."""
        return [event["type"] for event in self.events().get(invoice_id, [])]
