"""The application factory."""

from importlib import import_module
from pathlib import Path

from flask import Flask

from core.celery_app import init_celery
from core.db import db
from core.settings import Settings, current

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("status", "invoices", "callbacks")
PAGES = ("core.people", "admin")
MAX_BODY = 10 * 1024 * 1024


def create_app(settings: Settings | None = None, *, has_pages: bool = True) -> Flask:
    """Build one application from `settings`, or from the environment.

    Without `has_pages` it has no login and no pages for staff: workers, beat and commands need
    none, and what is behind them takes half a second to import.
    """
    settings = settings or current()
    app = Flask("kuvert", root_path=str(ROOT))
    app.config.update(
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=MAX_BODY,
    )
    app.extensions["kuvert_settings"] = settings
    db.init_app(app)
    init_celery(app, settings)
    pages = PAGES if has_pages else ()
    for name in ("core.web", *pages, *PACKAGES):
        import_module(name).init_app(app)
    import_module("core.web").keep_order(app)
    return app
