"""The queues as the broker is told of them, and what a broker that is away makes of a publish."""

import logging
from collections.abc import Sequence
from typing import Any

from amqp.exceptions import AMQPError, PreconditionFailed
from kombu import Connection, Exchange, Queue
from kombu.exceptions import KombuError

from core.queues import SIGNALS, WORK

logger = logging.getLogger(__name__)

BROKER_ERRORS = (KombuError, AMQPError, OSError)
"""What a broker that is away, blocked or set up otherwise makes of a publish."""

MOST_RUNS = 5
"""How often a message may be handed out whose workers die of it."""

DEAD_EXCHANGE = Exchange("kuvert.dead", type="fanout", durable=True)
DEAD_QUEUE = Queue("dead", DEAD_EXCHANGE, durable=True)


def queues(queue_type: str) -> list[Queue]:
    """Return every queue; `queue_type` `quorum` replicates the queues of work in a cluster."""
    direct = Exchange("kuvert", type="direct", durable=True)
    return [
        Queue(
            name,
            direct,
            routing_key=name,
            durable=True,
            queue_arguments=_arguments(name, queue_type),
        )
        for name in (*SIGNALS, *WORK)
    ]


def _arguments(name: str, queue_type: str) -> dict[str, Any]:
    """Return the queue's arguments; RabbitMQ refuses to change them once it is declared."""
    if name not in WORK:
        return {"x-max-length": 1, "x-single-active-consumer": True}
    dead = {"x-dead-letter-exchange": DEAD_EXCHANGE.name}
    if queue_type == "quorum":
        # RabbitMQ counts what follows the first time.
        return {**dead, "x-queue-type": "quorum", "x-delivery-limit": MOST_RUNS - 1}
    return dead


def declare_all(connection: Connection, queues: Sequence[Queue]) -> None:
    """Declare where what cannot be run ends up, then every queue.

    Raises:
        SystemExit: a queue is there with other arguments, which RabbitMQ does not change.
    """
    for queue in (DEAD_QUEUE, *queues):
        _declare(connection, queue)


def _declare(connection: Connection, queue: Queue) -> None:
    """Declare one queue in a channel of its own: a refusal closes the channel."""
    try:
        with connection.channel() as channel:
            queue(channel).declare()
    except PreconditionFailed as error:
        why = f"queue {queue.name} exists with other arguments ({error.reply_text})"
        remedy = "let it run empty and delete it, or set KUVERT_QUEUE_TYPE as it was"
        logger.critical("%s; %s", why, remedy)
        raise SystemExit(1) from error
