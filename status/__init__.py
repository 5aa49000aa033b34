"""What happened to an invoice: append-only events, subscribers, signed pushes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def init_app(app: "Flask") -> None:
    """Attach the status tables, routes and tasks to `app`."""
    from core import pump
    from core.metrics import families
    from status import models, readings, routes, tasks  # noqa: F401

    families.register(readings.read)
    pump.register(tasks.PUSHES)
    app.register_blueprint(routes.bp)
