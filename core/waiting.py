"""A part that is away: said once, then every 30 seconds, then that it is back."""

import logging
import math
from time import monotonic

from celery import Celery
from sqlalchemy.exc import SQLAlchemyError

from core import notify
from core.broker import BROKER_ERRORS
from core.database import Database

EVERY_SECONDS = 30.0
CONNECT_SECONDS = 2

AWAY = (SQLAlchemyError, *BROKER_ERRORS)
"""What a database or a broker that is away makes of an attempt to reach it."""


class Waiting:
    """What is said of one part; `logger` is that of whoever waits."""

    def __init__(self, part: str, logger: logging.Logger) -> None:
        self._part = part
        self._logger = logger
        self._since: float | None = None
        self._said = -math.inf

    @property
    def is_away(self) -> bool:
        """Whether the part was away when it was tried last."""
        return self._since is not None

    def away(self, error: BaseException) -> None:
        """Take it that the part is away; says so unless it was said within the half minute."""
        now = monotonic()
        self._since = now if self._since is None else self._since
        if now - self._said < EVERY_SECONDS:
            return
        self._said = now
        line = (str(error) or type(error).__name__).splitlines()[0]
        extra = {"error": line, "waited_seconds": round(now - self._since)}
        self._logger.warning("waiting for the %s", self._part, extra=extra)
        notify.waiting(f"waiting for the {self._part}")

    def back(self) -> None:
        """Take it that the part is there; says so where it was away before."""
        if self._since is not None:
            self._logger.info("the %s is back", self._part)
        self._since, self._said = None, -math.inf


def reach_database(database: Database) -> None:
    """Ask the database anything.

    Raises:
        SQLAlchemyError: it is away.
    """
    with database.single() as connection:
        connection.exec_driver_sql("SELECT 1")


def reach_broker(celery: Celery) -> None:
    """Connect to the broker; a folder is always there.

    Raises:
        KombuError, AMQPError, OSError: it is away.
    """
    if str(celery.conf.broker_url).startswith("filesystem"):
        return
    with celery.connection_for_write(connect_timeout=CONNECT_SECONDS) as connection:
        connection.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)
