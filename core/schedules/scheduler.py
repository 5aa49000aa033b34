"""Beat: obeys the schedule in the database, and watches for work that is due between its slots.

Of several beats one leads, by a lease in the database; the others stand by. That two cannot run
one slot does not rest on the lease: the slot's row in the ledger is unique.
"""

import logging
import math
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any

from celery.beat import Scheduler
from sqlalchemy.exc import SQLAlchemyError

from core import leases
from core.bell import bell
from core.celery_app import KuvertCelery
from core.clock import utcnow
from core.db import insist, reading, unit_of_work
from core.pump import due_pumps
from core.schedules import ledger, outbox
from core.schedules.books import BEAT_LEASE
from core.schedules.publishing import Publisher
from core.settings import current

logger = logging.getLogger(__name__)

LEASE_LENGTH = timedelta(seconds=15)
RENEW_SECONDS = 4.0
STAND_BY_SECONDS = 2.0
LONGEST_PAUSE = 1.0
SHORTEST_PAUSE = 0.01
BACK_OFF_SECONDS = 2.0
RESEND_SECONDS = 1.0
PAGES = 40
"""Pages of schedules that one turn takes up; the next turn follows at once."""


class DatabaseScheduler(Scheduler):
    """Celery's scheduler over our own tables.

    Nothing of the schedule is kept in memory: an edit counts because the next look reads it.
    """

    app: KuvertCelery

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        self._held: leases.Held | None = None
        self._renewed = self._looked = self._resent = -math.inf
        self._is_standing_by = self._is_blind = False
        self._watch_seconds = current().watch_seconds
        super().__init__(*args, **kwargs)
        self._publisher = Publisher(self.app)

    def setup_schedule(self) -> None:
        """Enter nothing: the entries are rows, and Celery's own loop over them is not used."""

    def tick(self, *_args: Any, **_kwargs: Any) -> float:  # noqa: ANN401
        """Take one turn and return the seconds until the next.

        A database that is away is looked for again; nothing is sent from memory meanwhile.
        """
        try:
            with self.app.flask_app.app_context():
                pause = self._turn()
        except SQLAlchemyError as error:
            self._say_blind(error)
        except Exception:
            # Beat must outlive whatever one turn meets.
            logger.exception("turn failed")
        else:
            self._say_seeing()
            return pause
        return BACK_OFF_SECONDS

    def _say_blind(self, error: SQLAlchemyError) -> None:
        """Say once that the database is away, and ask it who leads as soon as it is back."""
        self._renewed = -math.inf
        if not self._is_blind:
            line = str(error).splitlines()[0]
            logger.warning("waiting for the database", extra={"error": line})
        self._is_blind = True

    def _say_seeing(self) -> None:
        if self._is_blind:
            logger.info("the database is back")
        self._is_blind = False

    def close(self) -> None:
        """Give the lead back, so that another beat takes over at once."""
        self._publisher.close()
        if self._held is None:
            return
        try:
            with self.app.flask_app.app_context(), unit_of_work() as connection:
                leases.release(connection, self._held)
        except SQLAlchemyError as error:
            line = str(error).splitlines()[0]
            logger.warning("the lead runs out by itself", extra={"error": line})
        self._held = None

    # ---- one turn ----

    def _turn(self) -> float:
        if not self._leads():
            return STAND_BY_SECONDS
        with reading() as connection:
            outlook = ledger.look(connection)
        if outlook.has_unplanned:
            self._plan()
        is_due = outlook.soonest is not None and outlook.soonest <= utcnow()
        if is_due:
            self._dispatch()
        if outlook.has_claimed:
            self._resend()
        self._watch()
        return SHORTEST_PAUSE if is_due or outlook.has_unplanned else self._pause(outlook)

    def _leads(self) -> bool:
        """Hold the lease, or try to get it; say so once when another beat has it."""
        if self._held is not None and not self._must_renew():
            return True
        with unit_of_work() as connection:
            if self._held is not None and leases.renew(connection, self._held, LEASE_LENGTH):
                self._renewed = monotonic()
                return True
            answer = leases.take(connection, BEAT_LEASE, LEASE_LENGTH)
            if isinstance(answer, leases.Held):
                ledger.plan_broken(connection)
        return self._accept(answer)

    def _must_renew(self) -> bool:
        return monotonic() - self._renewed >= RENEW_SECONDS

    def _accept(self, answer: leases.Held | leases.Busy) -> bool:
        if isinstance(answer, leases.Held):
            logger.info("this beat leads", extra={"term": answer.token})
            self._held, self._renewed, self._is_standing_by = answer, monotonic(), False
            return True
        if not self._is_standing_by:
            extra = {"leader": answer.holder, "since": str(answer.since)}
            logger.info("another beat leads, standing by", extra=extra)
        self._held, self._is_standing_by = None, True
        return False

    def _plan(self) -> None:
        """Plan what somebody has changed."""
        for _ in range(PAGES):
            count = insist(partial(ledger.plan_changed, now=utcnow()))
            if count < ledger.PAGE:
                return

    def _dispatch(self) -> None:
        """Claim what is due and publish it, a page at a time, for as long as the lead is ours."""
        for _ in range(PAGES):
            # Done twice, the second time finds nothing; what the first has claimed is sent again.
            orders, seen = insist(partial(ledger.claim_due, now=utcnow()))
            self._publish(orders)
            if seen < ledger.PAGE or self._must_renew():
                return

    def _resend(self) -> None:
        """Publish what a crash, or a broker that was away, has left claimed."""
        if monotonic() - self._resent < RESEND_SECONDS:
            return
        self._resent = monotonic()
        before = utcnow() - outbox.RESEND_AFTER
        orders = insist(partial(outbox.left_claimed, before=before))
        self._publish(orders)

    def _publish(self, orders: Sequence[ledger.Order]) -> None:
        """Send the orders; what the broker does not take stays claimed."""
        if sent := self._publisher.publish(orders):
            insist(partial(outbox.mark_sent, ids=sent, now=utcnow()))

    def _watch(self) -> None:
        """Ring for each pump that has something due."""
        if monotonic() - self._looked < self._watch_seconds:
            return
        self._looked = monotonic()
        for pump in due_pumps(utcnow()):
            bell.ring(pump)

    def _pause(self, outlook: ledger.Outlook) -> float:
        """Return the seconds until the next slot, at most one: an edit may come any time."""
        longest = min(LONGEST_PAUSE, self._watch_seconds)
        if outlook.soonest is None:
            return longest
        seconds = (outlook.soonest - utcnow()).total_seconds()
        return max(SHORTEST_PAUSE, min(longest, seconds))
