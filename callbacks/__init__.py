"""What providers say back about a delivery."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Attach the callback tables, routes and tasks to `app`."""
    from callbacks import models, routes, tasks  # noqa: F401

    app.register_blueprint(routes.bp)
