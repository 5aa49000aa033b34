"""Status events: everything that happened to invoices, never changed afterwards."""

from flask_babel import lazy_gettext as _l

from admin import cells, filters
from admin.view import DeskView
from invoices.models import Source
from status.models import Cause, Status, StatusEvent


class StatusEvents(DeskView):
    """Every fact about every invoice, the newest first."""

    model = StatusEvent
    columns = (
        "recorded_at",
        "invoice_id",
        "from_status",
        "to_status",
        "cause",
        "actor",
        "note",
    )
    refers = {"delivery_id": "deliveries"}
    narrowed_by = (
        filters.OneOf("to_status", _l("Became"), Status),
        filters.OneOf("cause", _l("Cause"), Cause),
        filters.Refers("source_id", _l("Source"), Source, "name"),
        filters.Belongs("invoice_id", _l("Invoice")),
        filters.CreatedSince("recorded_from", _l("Recorded from")),
        filters.CreatedUntil("recorded_to", _l("to")),
    )
    formats = {"from_status": cells.badge, "to_status": cells.badge, "note": cells.excerpt}
    details = (
        "from_status",
        "to_status",
        "invoice_id",
        "sequence",
        "cause",
        "actor",
        "note",
        "delivery_id",
        "source_id",
        "occurred_at",
        "recorded_at",
        "id",
    )
    intro = _l("Where both statuses are the same, the fact came late or twice and changed nothing.")
    empty = _l("Nothing has happened yet: the first event comes with the first invoice.")
