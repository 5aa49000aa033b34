"""Being the only process that does something to a database."""

import logging
from collections.abc import Callable
from threading import Event
from time import monotonic

from core.errors import UnavailableError

logger = logging.getLogger(__name__)

EVERY_SECONDS = 0.25
LONGEST_SECONDS = 900.0


def wait_for(take: Callable[[], bool], what: str) -> None:
    """Call `take` until it gets the lock; says once that it waits.

    Raises:
        UnavailableError: not within a quarter of an hour.
    """
    give_up_at = monotonic() + LONGEST_SECONDS
    pause = Event()
    has_said = False
    while not take():
        if monotonic() > give_up_at:
            raise UnavailableError(f"another process has been at it for 15 minutes: {what}")
        if not has_said:
            logger.warning("another process is at it; waiting", extra={"what": what})
            has_said = True
        pause.wait(EVERY_SECONDS)
