"""Looking back from later: what is here now is old then."""

from datetime import datetime, timedelta

import pytest

from core.clock import utcnow
from core.retention import kinds, running
from core.retention.kinds import Kind, Limits
from core.retention.running import Tally
from tests.support import desk

LATER = timedelta(days=400)


def limits() -> Limits:
    """Return limits by which all that is here is old, and has long been quiet."""
    return Limits(before_at=utcnow() + timedelta(seconds=1), quiet_since=utcnow() + LATER)


def settle(status: str = "delivered") -> None:
    """Let every invoice have come to an end."""
    desk.change(desk.DELIVERIES, state=status, due_at=None, lease_token=None)
    desk.change(desk.INVOICES, status=status)


def purge(kind: Kind) -> Tally:
    """Take away all of a kind that may go."""
    return running.purge(kind, limits())


def look_back(monkeypatch: pytest.MonkeyPatch, distance: timedelta = LATER) -> None:
    """Let retention believe that it is later."""

    def later() -> datetime:
        return utcnow() + distance

    monkeypatch.setattr(kinds, "utcnow", later)
