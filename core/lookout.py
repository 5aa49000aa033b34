"""Whether database and broker are there when the web server starts, and fit for Kuvert.

It serves without them: callers hear 503 while the database is away, and invoices are taken in
without a broker. Whoever starts it should know all the same, so a thread looks until both have
answered once. Then it asks RabbitMQ how long a message may be held, as far as that tells us: where
that is too short, long tasks would be taken away from their workers and begun again.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial

from flask import Flask

from core import notify
from core.db import database
from core.doctor import broker
from core.doctor.findings import Patient, State
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

    def watch() -> None:
        look(reach)
        warn_of_limits(Patient(app, app.extensions["kuvert_settings"]))

    threading.Thread(target=watch, name="lookout", daemon=True).start()


def warn_of_limits(patient: Patient) -> None:
    """Log it when the broker takes messages back before the longest task has ended."""
    for finding in broker.consumer_timeout(patient):
        if finding.state is State.WARN:
            extra = {"reason": finding.means, "remedy": finding.remedy}
            logger.warning("the broker does not fit", extra=extra)


def look(reach: Mapping[str, Callable[[], None]]) -> None:
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
