"""Which of several beats leads: the one that holds the lease in the database."""

import contextlib
import logging
import math
import threading
from datetime import timedelta
from time import monotonic

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from core import leases
from core.db import unit_of_work

logger = logging.getLogger(__name__)

BEAT_LEASE = "beat"
"""The name of the lease whose holder leads."""

LEASE_LENGTH = timedelta(seconds=4)
RENEW_SECONDS = 1.0
LONGEST_TURN = 20.0
"""A beat whose turn takes longer is stuck, and loses the lead."""


class Lead:
    """The lead as one beat sees it.

    A thread renews the lease, so that it may be short although a turn may wait for a broker or
    for a lock. It renews only for as long as turns come and end.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._held: leases.Held | None = None
        self._renewed = self._turned = -math.inf
        self._is_standing_by = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def term(self) -> int | None:
        """The number of this beat's term; None while another leads."""
        return self._held.token if self._held else None

    def is_ours(self) -> bool:
        """Tell whether this beat leads, and get the lead if it can be had; for every turn."""
        self._turned = monotonic()
        age = monotonic() - self._renewed
        if self._held is not None and age < LEASE_LENGTH.total_seconds():
            return True
        return self._accept(self._get())

    def give_back(self) -> None:
        """Stop leading, so that another beat takes over at once."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(RENEW_SECONDS)
        held, self._held = self._held, None
        if held is None:
            return
        try:
            with unit_of_work() as connection:
                leases.release(connection, held)
        except SQLAlchemyError as error:
            line = str(error).splitlines()[0]
            logger.warning("the lead runs out by itself", extra={"error": line})

    # ---- own ----

    def _get(self) -> leases.Held | leases.Busy:
        """Renew the lease that we have or had, or take it when it is free."""
        began = monotonic()
        with unit_of_work() as connection:
            held = self._held
            if held is None or not leases.renew(connection, held, LEASE_LENGTH):
                answer = leases.take(connection, BEAT_LEASE, LEASE_LENGTH)
            else:
                answer = held
        self._renewed = began
        return answer

    def _accept(self, answer: leases.Held | leases.Busy) -> bool:
        if isinstance(answer, leases.Busy):
            if not self._is_standing_by:
                extra = {"leader": answer.holder, "since": str(answer.since)}
                logger.info("another beat leads, standing by", extra=extra)
            self._held, self._is_standing_by = None, True
            return False
        if answer != self._held:
            logger.info("this beat leads", extra={"term": answer.token})
        self._held, self._is_standing_by = answer, False
        if self._thread is None:
            self._keep()
        return True

    def _keep(self) -> None:
        self._thread = threading.Thread(target=self._renew_until_stopped, daemon=True)
        self._thread.start()

    def _renew_until_stopped(self) -> None:
        while not self._stop.wait(RENEW_SECONDS):
            held = self._held
            if held is None or monotonic() - self._turned > LONGEST_TURN:
                continue
            # The next turn meets the same error and says so; until then the lease runs on.
            with contextlib.suppress(SQLAlchemyError), self._app.app_context():
                self._renew(held)

    def _renew(self, held: leases.Held) -> None:
        began = monotonic()
        with unit_of_work() as connection:
            is_ours = leases.renew(connection, held, LEASE_LENGTH)
        # Another has it: the next turn is to ask.
        self._renewed = began if is_ours else -math.inf
