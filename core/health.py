"""`/healthz`: this process answers. `/readyz`: what it needs answers too."""

import logging
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from celery import Celery
from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue
from kombu.exceptions import OperationalError
from sqlalchemy.exc import SQLAlchemyError

from core import at_once, pauses
from core.database import Database
from core.db import database

logger = logging.getLogger(__name__)

bp = Blueprint("health", __name__)

LONGEST_SECONDS = 3.0
"""How long `/readyz` waits for its parts in all."""

CONNECT_SECONDS = 2

Check = Callable[[], str | None]
"""Returns None when all is well, else what is not, without addresses or secrets."""


@bp.get("/healthz")
def live() -> ResponseReturnValue:
    """Tell that the process answers; looks at nothing else, so that a restart is the right cure."""
    return jsonify(status="ok")


@bp.get("/readyz")
def ready() -> ResponseReturnValue:
    """Tell whether database, broker and migrations are as they must be; 503 when one is not."""
    states = run(checks_of(current_app.extensions["celery"], database()), LONGEST_SECONDS)
    is_ready = all(state is None for state in states.values())
    parts = {name: _shown(state) for name, state in states.items()}
    if is_ready and _is_paused():
        # No reason to take no more invoices: they wait.
        parts["dispatch"] = {"state": "paused", "detail": "nothing is sent until somebody resumes"}
    answer = jsonify(status="ok" if is_ready else "unavailable", parts=parts)
    answer.headers["Cache-Control"] = "no-store"
    return answer, 200 if is_ready else 503


def _is_paused() -> bool:
    with database().single() as connection:
        return pauses.is_paused(connection)


def run(checks: Mapping[str, Check], seconds: float) -> dict[str, str | None]:
    """Run all checks at once and return what each says within `seconds`."""
    return at_once.run(checks, seconds, late=lambda _: f"no answer within {seconds:g} s")


def checks_of(celery: Celery, database: Database) -> dict[str, Check]:
    """Return the checks, by name; they run in threads, so they are given all they need."""
    return {
        "database": lambda: _database(database),
        "migrations": lambda: _migrations(database),
        "broker": lambda: _broker(celery),
    }


def _shown(state: str | None) -> dict[str, str]:
    return {"state": "ok"} if state is None else {"state": "unavailable", "detail": state}


def _database(database: Database) -> str | None:
    try:
        with database.single() as connection:
            connection.exec_driver_sql("SELECT 1")
    except SQLAlchemyError as error:
        return _failed("database", error)
    return None


def _migrations(database: Database) -> str | None:
    from core import migrations  # noqa: PLC0415 - Alembic is large, and commands do without it

    try:
        with database.single() as connection:
            found = migrations.current(connection)
    except SQLAlchemyError as error:
        return _failed("database", error)
    if found == _head():
        return None
    return f"the database is at {found or 'nothing'}, this code at {_head()}: manage.py db upgrade"


@cache
def _head() -> str:
    from core import migrations  # noqa: PLC0415 - see above

    return migrations.head()


def _broker(celery: Celery) -> str | None:
    try:
        if celery.conf.broker_url.startswith("filesystem"):
            folder = Path(celery.conf.broker_transport_options["data_folder_in"])
            with tempfile.TemporaryFile(dir=folder.parent):
                return None
        with celery.connection_for_write(connect_timeout=CONNECT_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)
    except (OperationalError, OSError) as error:
        return _failed("broker", error)
    return None


def _failed(part: str, error: Exception) -> str:
    """Log why and say that it failed; the reason names hosts, which strangers need not know."""
    logger.warning("not ready", extra={"part": part, "error": str(error).splitlines()[0]})
    return "no connection"
