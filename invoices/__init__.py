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
    from invoices import doctoring, letter_models, models, readings, routes, tasks  # noqa: F401
    from invoices.access import authenticate
    from invoices.services import report_mails

    access.register(authenticate)
    families.register(readings.read)
    findings.register("providers", doctoring.providers)
    pump.register(tasks.DELIVERIES)
    pump.register(tasks.BULK_ACTS)
    pump.watch(TaskName.GET_TOTAL_INVOICES, report_mails.has_due, is_outgoing=True)
    app.register_blueprint(routes.bp)
