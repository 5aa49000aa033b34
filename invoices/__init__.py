"""Invoices: taken in, kept, delivered, and watched until the end."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Attach the invoice tables, routes and tasks to `app`, and say who checks API keys."""
    from core.access import register
    from invoices import access, models, routes, tasks  # noqa: F401

    register(access.authenticate)
    app.register_blueprint(routes.bp)
