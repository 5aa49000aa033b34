"""How many deliveries a provider is given in a minute, over all workers.

A provider with the setting `most_per_minute` is given its share when deliveries are claimed,
which one process does at a time (core.pump). Each delivery that is claimed uses up its part of a
minute; `rated_until` says how far that goes. It may run ahead of now by `AHEAD_SECONDS`, so that
a worker gets a few at once. What is handed back unsent was counted all the same: the rate is a
most, never a promise.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, update

from invoices.models import Provider

PROVIDERS = Provider.__table__

SETTING = "most_per_minute"
LARGEST = 100_000
AHEAD_SECONDS = 5.0
_MINUTE_SECONDS = 60.0
_FARTHEST_SECONDS = _MINUTE_SECONDS + AHEAD_SECONDS
"""What the slowest rate can have used up ahead; more than that, and a clock was set back."""


def of(settings: Mapping[str, str]) -> int | None:
    """Return how many a provider may be given in a minute; None: any number."""
    text = settings.get(SETTING)
    return int(text) if text else None


def room(provider: Row[Any], now: datetime) -> int | None:
    """Return how many more may be claimed for a provider now; None: any number."""
    most = of(provider.settings)
    if most is None:
        return None
    ahead = (_used_until(provider, now) - now).total_seconds()
    if ahead <= 0:
        return max(1, int(AHEAD_SECONDS * most / _MINUTE_SECONDS))
    return max(0, int((AHEAD_SECONDS - ahead) * most / _MINUTE_SECONDS))


def use(connection: Connection, provider: Row[Any], count: int, now: datetime) -> None:
    """Count deliveries that were claimed for a provider, if it has a rate."""
    most = of(provider.settings)
    if most is None or not count:
        return
    until = _used_until(provider, now) + timedelta(seconds=count * _MINUTE_SECONDS / most)
    mine = PROVIDERS.c.id == provider.id
    connection.execute(update(PROVIDERS).where(mine).values(rated_until=until))


def _used_until(provider: Row[Any], now: datetime) -> datetime:
    until: datetime = max(provider.rated_until or now, now)
    return until if (until - now).total_seconds() <= _FARTHEST_SECONDS else now
