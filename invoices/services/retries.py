"""When a delivery is tried again, and when a provider is left in peace."""

import random
from datetime import datetime, timedelta

PLAN = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 2 * 60, 5 * 60, 10 * 60, 10 * 60))
"""Waits between attempts; after the last one the attempts are used up."""

JITTER = 0.1
LONGEST_WISH = timedelta(hours=24)

BREAKER_FAILURES = 5
"""Failures in a row after which a provider gets nothing for a while."""

BREAKER_FIRST = timedelta(seconds=30)
BREAKER_LONGEST = timedelta(minutes=10)


def next_try(now: datetime, attempts: int, wish: timedelta | None) -> datetime | None:
    """Return when to try again after `attempts` tries; None when they are used up.

    A provider's Retry-After is honoured as it is, up to a day; the plan has ± 10 % jitter.
    """
    if attempts > len(PLAN):
        return None
    if wish is not None:
        return now + min(max(wish, timedelta(seconds=1)), LONGEST_WISH)
    return now + PLAN[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load


def breaker_pause(failures: int) -> timedelta | None:
    """Return how long a provider with this many failures in a row gets nothing; None: not yet."""
    if failures < BREAKER_FAILURES:
        return None
    doublings = min((failures - BREAKER_FAILURES) // BREAKER_FAILURES, 10)
    return min(BREAKER_FIRST * (1 << doublings), BREAKER_LONGEST)
