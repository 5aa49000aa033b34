"""The application factory."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from flask import Flask

from core.celery_app import init_celery
from core.db import db
from core.settings import Settings, current

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("status", "invoices", "callbacks")
PAGES = ("core.people", "admin")
MAX_BODY = 10 * 1024 * 1024


class _App(Flask):
    """Flask without coroutines: nothing here is one, and each request looks at 15 functions."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return `func` itself."""
        return func


def create_app(settings: Settings | None = None, *, has_pages: bool = True) -> Flask:
    """Build one application from `settings`, or from the environment.

    Without `has_pages` it has no login and no pages for staff: workers, beat and commands need
    none, and what is behind them takes half a second to import.
    """
    settings = settings or current()
    app = _App("kuvert", root_path=str(ROOT))
    app.config.update(
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=MAX_BODY,
    )
    app.extensions["kuvert_settings"] = settings
    db.init_app(app)
    init_celery(app, settings)
    pages = PAGES if has_pages else ()
    for name in ("core.web", "core.retention", *pages, *PACKAGES):
        import_module(name).init_app(app)
    import_module("core.web").keep_order(app)
    return app
