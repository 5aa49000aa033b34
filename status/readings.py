"""What `/metrics` says of pushes."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from core.metrics.families import Family, by_word
from status.models import Push, PushState


def read(connection: Connection, now: datetime) -> Iterator[Family]:  # noqa: ARG001 - as a Reading
    """Yield how many pushes are where."""
    text = "Pushes of events to subscribers in a state"
    yield by_word(connection, "kuvert_pushes", text, Push.__table__.c.state, PushState)
