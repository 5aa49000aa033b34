"""What `/metrics` says of callbacks."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from callbacks.models import Callback, CallbackState
from core import counting
from core.metrics.families import Family

MOST = 100_000


def read(connection: Connection, now: datetime) -> Iterator[Family]:  # noqa: ARG001 - as a Reading
    """Yield how many callbacks are where."""
    column = Callback.__table__.c.state
    yield Family(
        "kuvert_callbacks",
        "What providers and mailboxes said, by what became of it; 100,000 at most are counted.",
        ("state",),
        counting.by_word(connection, column, CallbackState, MOST),
    )
