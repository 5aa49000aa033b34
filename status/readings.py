"""What `/metrics` says of pushes."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from core import counting
from core.metrics.families import Family
from status.models import Push, PushState

MOST = 100_000


def read(connection: Connection, now: datetime) -> Iterator[Family]:  # noqa: ARG001 - as a Reading
    """Yield how many pushes are where."""
    column = Push.__table__.c.state
    yield Family(
        "kuvert_pushes",
        "Pushes of events to subscribers in a state; 100,000 at most are counted.",
        ("state",),
        counting.by_word(connection, column, PushState, MOST),
    )
