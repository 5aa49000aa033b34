"""Deliveries: each hand-over of a document to a provider, with all its attempts."""

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row, select

from admin import cells, filters
from admin.view import DeskView
from admin.views import suppressions
from invoices.models import Attempt, Delivery, Invoice, Origin, Provider
from status.models import Status

ATTEMPTS = Attempt.__table__
INVOICES = Invoice.__table__

MOST_ATTEMPTS = 200
STATES = [str(status) for status in Status]


class Deliveries(DeskView):
    """Every delivery; dispatch alone changes one."""

    model = Delivery
    columns = (
        "created_at",
        "state",
        "invoice_id",
        "provider_id",
        "recipient",
        "due_at",
        "attempt_count",
    )
    hidden = frozenset({"lease_token", "document_id"})
    narrowed_by = (
        filters.OneOf("state", _l("State"), STATES),
        filters.Refers("provider_id", _l("Provider"), Provider, "code"),
        filters.OneOf("origin", _l("Why it was made"), Origin),
        filters.Belongs("invoice_id", _l("Invoice")),
        filters.CreatedSince("created_from", _l("Made from")),
        filters.CreatedUntil("created_to", _l("to")),
    )
    formats = {"state": cells.badge}
    details = (
        "state",
        "invoice_id",
        "provider_id",
        "recipient",
        "due_at",
        "attempt_count",
        "provider_reference",
        "origin",
        "reason",
        "created_at",
    )
    intro = _l(
        "One delivery is the intent to hand one document to one address. Its dispatch key stays the"
        " same over all attempts, so that a provider can tell a repeat."
    )
    empty = _l("Nothing has been handed over yet: a delivery comes with each invoice.")
    details_template = "kuvert/admin/delivery.html"

    def called(self, row: Row[Any]) -> str:
        """Return how a delivery is called in sentences."""
        return _(
            "Delivery of %(when)s", when=f"{row.created_at.astimezone(cells.zone()):%d %b %H:%M:%S}"
        )

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Return the attempts."""
        mine = select(ATTEMPTS).where(ATTEMPTS.c.delivery_id == row.id)
        last = mine.order_by(ATTEMPTS.c.number.desc()).limit(MOST_ATTEMPTS)
        is_held = row.state == Status.HELD
        return {
            "attempts": list(reversed(list(connection.execute(last)))),
            "notes": suppressions.notes_on(self, connection, row.id) if is_held else [],
        }
