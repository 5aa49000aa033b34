"""Taking invoices in, keeping their documents, and delivering them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def init_app(app: "Flask") -> None:
    """Attach the invoice tables, routes, tasks and keys to `app`."""
    from core import access, pump
    from core.doctor import findings
    from core.metrics import families
    from core.queues import TaskName
    from core.retention import kinds
    from invoices import (  # noqa: F401
        doctoring,
        hold_models,
        letter_models,
        models,
        readings,
        routes,
        tasks,
    )
    from invoices.access import authenticate
    from invoices.services import report_mails, retention, retention_history

    access.register(authenticate)
    families.register(readings.read)
    findings.register("providers", doctoring.providers)
    pump.register(tasks.DELIVERIES)
    pump.register(tasks.BULK_ACTS)
    pump.watch(TaskName.GET_TOTAL_INVOICES, report_mails.has_due, is_outgoing=True)
    kinds.register(retention.DOCUMENT_KIND)
    kinds.register(retention_history.EVENT_KIND)
    kinds.register(retention_history.ATTEMPT_KIND)
    app.register_blueprint(routes.bp)
