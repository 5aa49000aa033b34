"""The pages, in the order of the menu."""

from flask_admin.base import BaseView
from flask_babel import lazy_gettext as _l

from admin.views import (
    audit,
    callbacks,
    deliveries,
    history,
    invoices,
    partners,
    reports,
    schedules,
)


def every_view() -> list[BaseView]:
    """Build each page once."""
    work, settings, operation = _l("Invoices"), _l("Partners"), _l("Operation")
    staff = _l("Staff")
    return [
        invoices.Invoices(_l("Invoices"), "invoice", work),
        deliveries.Deliveries(_l("Deliveries"), "delivery", work),
        callbacks.Callbacks(_l("Callbacks"), "callback", work),
        history.StatusEvents(_l("Status events"), "status_event", work),
        reports.Reports(_l("Reports"), "report", work),
        partners.Sources(_l("Sources"), "source", settings),
        partners.Providers(_l("Providers"), "provider", settings),
        schedules.Schedules(_l("Schedule"), "schedule", operation),
        audit.Audit(_l("Audit"), "audit", staff),
    ]
