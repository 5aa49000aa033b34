"""Beat: the timers, and the watch for work that is due between them."""

import logging
from datetime import timedelta
from typing import Any

from celery.beat import Scheduler
from sqlalchemy.exc import SQLAlchemyError

from core.bell import bell
from core.celery_app import KuvertCelery
from core.clock import utcnow
from core.pump import due_pumps
from core.settings import current

logger = logging.getLogger(__name__)


class WatchingScheduler(Scheduler):
    """Celery's scheduler, which also looks every KUVERT_WATCH_SECONDS whether work is due.

    So retries, scheduled sends and leases that ran out are on time to the second although no
    message waits for them anywhere.
    """

    app: KuvertCelery

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._watch = timedelta(seconds=current().watch_seconds)
        self._next_look = utcnow()

    def tick(self, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401
        """Send what the timers want, look for due work, return seconds until the next tick."""
        until_timer = super().tick(*args, **kwargs)
        if utcnow() >= self._next_look:
            self._look()
            self._next_look = utcnow() + self._watch
        until_look = (self._next_look - utcnow()).total_seconds()
        return float(max(0.0, min(until_timer, until_look)))

    def _look(self) -> None:
        """Ring for each pump that has something due; a database that is away is looked at later."""
        try:
            with self.app.flask_app.app_context():
                due = due_pumps(utcnow())
        except SQLAlchemyError as error:
            logger.warning("cannot look for due work", extra={"error": str(error).splitlines()[0]})
            return
        for pump in due:
            bell.ring(pump)
