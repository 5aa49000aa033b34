"""What happened to an invoice: append-only events, subscribers, signed pushes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def init_app(app: "Flask") -> None:
    """Attach the status tables, routes and tasks to `app`."""
    from core import pump
    from status import models, routes, tasks  # noqa: F401

    pump.register(tasks.PUSHES)
    app.register_blueprint(routes.bp)
