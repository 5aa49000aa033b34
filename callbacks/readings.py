"""What `/metrics` says of callbacks."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from callbacks.models import Callback, CallbackState
from core.metrics.families import Family, by_word


def read(connection: Connection, now: datetime) -> Iterator[Family]:  # noqa: ARG001 - as a Reading
    """Yield how many callbacks are where."""
    text = "What providers and mailboxes said, by what became of it"
    yield by_word(connection, "kuvert_callbacks", text, Callback.__table__.c.state, CallbackState)
