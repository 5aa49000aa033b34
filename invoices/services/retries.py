"""When a delivery is tried again, and when a provider is left in peace."""

from datetime import datetime, timedelta

from core import retries

PLAN = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 2 * 60, 5 * 60, 10 * 60, 10 * 60))
"""Waits between attempts; after the last one the attempts are used up."""

JITTER = 0.1
SHORTEST_WISH = timedelta(seconds=1)
LONGEST_WISH = timedelta(hours=24)

BREAKER = retries.Breaker(5, timedelta(seconds=30), timedelta(minutes=10))


def next_try(now: datetime, attempts: int, wish: timedelta | None) -> datetime | None:
    """Return when to try again after `attempts` tries; None when they are used up.

    A provider's Retry-After is honoured as it is, up to a day; the plan has ± 10 % jitter.
    """
    wait = retries.step(PLAN, attempts)
    if wait is None:
        return None
    if wish is not None:
        return now + min(max(wish, SHORTEST_WISH), LONGEST_WISH)
    return now + retries.spread(wait, JITTER)
