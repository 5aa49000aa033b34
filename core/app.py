"""The application factory."""

import logging
from importlib import import_module
from pathlib import Path

from apiflask import APIFlask

from core.celery_app import init_celery
from core.db import db
from core.settings import Settings, current

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("status", "invoices", "callbacks")
MAX_BODY = 10 * 1024 * 1024

logger = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> APIFlask:
    """Build one application from `settings`, or from the environment."""
    settings = settings or current()
    app = APIFlask(
        "kuvert",
        root_path=str(ROOT),
        title="Kuvert",
        version="1",
        spec_path=None,
        docs_path=None,
        static_url_path="/static",
    )
    app.config.update(
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=MAX_BODY,
        SESSION_COOKIE_SECURE=settings.public_url.startswith("https:"),
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.extensions["kuvert_settings"] = settings
    db.init_app(app)
    init_celery(app, settings)
    for name in ("core.web", *PACKAGES):
        import_module(name).init_app(app)
    return app
