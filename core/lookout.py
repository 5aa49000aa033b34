"""Whether database and broker are there when the web server starts.

It serves without them: callers hear 503 while the database is away, and invoices are taken in
without a broker. Whoever starts it should know all the same, so a thread looks until both have
answered once.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial

from flask import Flask

from core import notify
from core.db import database
from core.waiting import AWAY, Waiting, reach_broker, reach_database

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0


def begin(app: Flask) -> None:
    """Look in a thread; returns at once."""
    with app.app_context():
        reach = {
            "database": partial(reach_database, database()),
            "broker": partial(reach_broker, app.extensions["celery"]),
        }
    threading.Thread(target=look, args=(reach,), name="lookout", daemon=True).start()


def look(reach: dict[str, Callable[[], None]]) -> None:
    """Try every part until it was reached once, and say which is waited for."""
    missing = {part: Waiting(part, logger) for part in reach}
    pause = threading.Event()
    while missing:
        for part in list(missing):
            if _is_there(reach[part], missing[part]):
                del missing[part]
        if missing:
            pause.wait(PAUSE_SECONDS)
    notify.ready("serving")


def _is_there(reach: Callable[[], None], waiting: Waiting) -> bool:
    try:
        reach()
    except AWAY as error:
        waiting.away(error)
        return False
    waiting.back()
    return True
