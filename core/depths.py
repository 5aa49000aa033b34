"""How much waits in each queue, asked of the broker itself."""

from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu import Connection

from core.broker import BROKER_ERRORS, DEAD_QUEUE
from core.errors import UnavailableError
from core.pump import BATCH
from core.queues import QUEUE_OF, WORK

CONNECT_SECONDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """One queue. `messages` None: it is not there, since no worker has started yet.

    A message of work carries up to 100 ids, so `ids_at_most` is what it may come to; 0 where a
    message only says "look now".
    """

    queue: str
    messages: int | None
    ids_at_most: int


def depths(celery: Celery) -> list[Depth]:
    """Return how many messages wait in each queue, and what was set aside in `dead`.

    Bounded to a few seconds.

    Raises:
        UnavailableError: the broker does not answer.
    """
    names = [*QUEUE_OF.values(), DEAD_QUEUE.name]
    try:
        with celery.connection_for_read(connect_timeout=CONNECT_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)
            return [_depth(connection, name) for name in names]
    except BROKER_ERRORS as error:
        raise UnavailableError("the broker does not answer") from error


def _depth(connection: Connection, name: str) -> Depth:
    messages = _messages(connection, name)
    return Depth(
        queue=name, messages=messages, ids_at_most=(messages or 0) * BATCH if name in WORK else 0
    )


def _messages(connection: Connection, name: str) -> int | None:
    """Ask in a channel of its own: that a queue is not there closes the channel."""
    try:
        with connection.channel() as opened:
            channel: Any = opened
            declared = channel.queue_declare(queue=name, passive=True)
    except connection.channel_errors:
        return None
    return int(declared.message_count)
