"""Beat: obeys the schedule in the database, and watches for work that is due between its slots.

Of several beats one leads; the others stand by. That two cannot run one slot does not rest on
the lead: the slot's row in the ledger is unique. What is due is judged by the database's clock.
"""

import logging
import math
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

from celery.beat import Scheduler
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from core import actor, notify
from core.bell import bell
from core.celery_app import KuvertCelery
from core.clock import utcnow
from core.clock_watch import ClockWatch
from core.db import database_time, insist, reading, unit_of_work
from core.pump import due_pumps
from core.schedules import ledger, outbox, pruning
from core.schedules.lead import Lead
from core.schedules.publishing import Publisher
from core.settings import current
from core.waiting import Waiting

logger = logging.getLogger(__name__)

STAND_BY_SECONDS = 1.0
LONGEST_PAUSE = 1.0
SHORTEST_PAUSE = 0.01
BACK_OFF_SECONDS = 2.0
RESEND_SECONDS = 1.0
PRUNE_SECONDS = 3600.0
PAGES = 40
"""Pages of schedules that one turn takes up; the next turn follows at once."""


class DatabaseScheduler(Scheduler):
    """Celery's scheduler over our own tables.

    Nothing of the schedule is kept in memory: an edit counts because the next look reads it.
    """

    app: KuvertCelery

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        self._term: int | None = None
        self._looked = self._resent = self._pruned = -math.inf
        self._is_in_turn = False
        self._database = Waiting("database", logger)
        self._status = ""
        self._watch_seconds = current().watch_seconds
        self._clocks = ClockWatch()
        super().__init__(*args, **kwargs)
        self._lead = Lead(self.app.flask_app)
        self._publisher = Publisher(self.app)

    def setup_schedule(self) -> None:
        """Enter nothing: the entries are rows, and Celery's own loop over them is not used."""

    def tick(self, *_args: Any, **_kwargs: Any) -> float:  # noqa: ANN401
        """Take one turn and return the seconds until the next.

        A database that is away is looked for again; nothing is sent from memory meanwhile.
        """
        self._is_in_turn = True
        try:
            with self.app.flask_app.app_context(), actor.acting("beat"):
                pause = self._turn()
        except SQLAlchemyError as error:
            self._status = ""
            self._database.away(error)
        except Exception:
            # Beat must outlive whatever one turn meets.
            logger.exception("turn failed")
        else:
            self._database.back()
            self._say_well()
            return pause
        finally:
            self._is_in_turn = False
        return BACK_OFF_SECONDS

    def _say_well(self) -> None:
        """Tell the service manager of this turn, and what it shows when that has changed."""
        status = "standing by: another beat leads" if self._lead.term is None else "leading"
        if self._publisher.is_waiting:
            status = "waiting for the broker"
        if status == self._status:
            notify.alive()
        else:
            self._status = status
            notify.ready(status)

    def close(self) -> None:
        """Give the lead back, so that another beat takes over at once.

        Celery calls this at the end, and before it from its handler of SIGTERM: there a turn may
        be under way, and it must not be disturbed before it is rolled back.
        """
        if self._is_in_turn:
            return
        notify.stopping()
        self._publisher.close()
        with self.app.flask_app.app_context():
            self._lead.give_back()

    # ---- one turn ----

    def _turn(self) -> float:
        if not self._lead.is_ours():
            return STAND_BY_SECONDS
        if self._term != self._lead.term:
            self._begin_term()
            self._publisher.look()
        outlook = _look()
        self._clocks.compare(outlook.now)
        if outlook.has_unplanned:
            self._plan()
        is_due = outlook.soonest is not None and outlook.soonest <= outlook.now
        if is_due:
            self._dispatch()
        if outlook.has_claimed:
            self._resend()
        self._watch()
        if not is_due:
            self._prune()
        return SHORTEST_PAUSE if is_due or outlook.has_unplanned else self._pause(outlook)

    def _begin_term(self) -> None:
        """Take up what the leader before has left: it is dead, or was too slow."""
        with unit_of_work() as connection:
            ledger.plan_broken(connection)
        self._publish(insist(_all_claimed))
        self._term = self._lead.term

    def _plan(self) -> None:
        """Plan what somebody has changed."""
        for _ in range(PAGES):
            if insist(_plan_page) < ledger.PAGE:
                return

    def _dispatch(self) -> None:
        """Claim what is due and publish it, a page at a time, for as long as the lead is ours."""
        for _ in range(PAGES):
            # Done twice, the second time finds nothing; what the first has claimed is sent again.
            orders, seen = insist(_claim_page)
            self._publish(orders)
            if seen < ledger.PAGE or not self._lead.is_ours():
                return

    def _resend(self) -> None:
        """Publish what a broker that was away has left claimed."""
        if monotonic() - self._resent < RESEND_SECONDS:
            return
        self._resent = monotonic()
        self._publish(insist(_long_claimed))

    def _publish(self, orders: Sequence[ledger.Order]) -> None:
        """Send the orders; what the broker does not take stays claimed."""
        if sent := self._publisher.publish(orders):
            insist(partial(_mark_sent, ids=sent))

    def _watch(self) -> None:
        """Ring for each pump that has something due."""
        if monotonic() - self._looked < self._watch_seconds:
            return
        self._looked = monotonic()
        for pump in due_pumps(utcnow()):
            bell.ring(pump)

    def _prune(self) -> None:
        """Forget a page of old runs once an hour, and page after page while there are more."""
        if monotonic() - self._pruned >= PRUNE_SECONDS and insist(_prune_page) < pruning.PAGE:
            self._pruned = monotonic()

    def _pause(self, outlook: ledger.Outlook) -> float:
        """Return the seconds until the next slot, at most one: an edit may come any time."""
        longest = min(LONGEST_PAUSE, self._watch_seconds)
        if outlook.soonest is None:
            return longest
        seconds = (outlook.soonest - outlook.now).total_seconds()
        return max(SHORTEST_PAUSE, min(longest, seconds))


def _look() -> ledger.Outlook:
    try:
        with reading() as connection:
            return ledger.look(connection)
    except ValueError:
        # SQLite keeps any text as a time; one that is none is out of the way afterwards.
        insist(ledger.flag_unreadable)
    with reading() as connection:
        return ledger.look(connection)


# ---- units of work, each by the database's clock ----


def _plan_page(connection: Connection) -> int:
    return ledger.plan_changed(connection, database_time(connection))


def _claim_page(connection: Connection) -> tuple[list[ledger.Order], int]:
    return ledger.claim_due(connection, database_time(connection))


def _all_claimed(connection: Connection) -> list[ledger.Order]:
    return outbox.left_claimed(connection, database_time(connection))


def _long_claimed(connection: Connection) -> list[ledger.Order]:
    return outbox.left_claimed(connection, database_time(connection) - outbox.RESEND_AFTER)


def _prune_page(connection: Connection) -> int:
    return pruning.prune(connection, database_time(connection))


def _mark_sent(connection: Connection, ids: Sequence[UUID]) -> None:
    outbox.mark_sent(connection, ids, database_time(connection))
