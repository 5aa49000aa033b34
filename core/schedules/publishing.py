"""Handing messages of runs to the broker, and knowing which of them it has."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from amqp.exceptions import ChannelError
from kombu import Message, Producer

from core.broker import BROKER_ERRORS
from core.celery_app import KuvertCelery
from core.schedules.ledger import Order
from core.schedules.running import HEADER
from core.waiting import Waiting

logger = logging.getLogger(__name__)

CONFIRM_SECONDS = 5.0
"""How long RabbitMQ may take for the next confirmation."""

Sent = Callable[[UUID], object]


class Publisher:
    """Publishes orders under their runs' ids; a message counts when the broker has confirmed it.

    To RabbitMQ a whole page is on its way at once, so that the time until its confirmation is
    waited for once and not with each message.
    """

    def __init__(self, app: KuvertCelery) -> None:
        self._app = app
        self._is_amqp = str(app.conf.broker_url).startswith(("amqp", "pyamqp"))
        self._link: Link | None = None
        self._broker = Waiting("broker", logger)

    @property
    def is_waiting(self) -> bool:
        """Whether the broker was away when it was last tried."""
        return self._broker.is_away

    def look(self) -> None:
        """Connect, so that a broker that is away is said before anything is due."""
        if self._is_amqp:
            self._try(self._open)

    def publish(self, orders: Sequence[Order]) -> list[UUID]:
        """Return the runs whose message is with the broker; the others are to be sent again."""
        sent: list[UUID] = []
        if not orders:
            return sent
        self._try(partial(self._publish, orders, sent.append))
        return sent

    def close(self) -> None:
        """Close the connection."""
        if self._link is not None:
            self._link.close()
        self._link = None

    # ---- own ----

    def _try(self, work: Callable[[], object]) -> None:
        """Do what needs the broker; when it is away, its messages are tried again every second."""
        try:
            work()
        except BROKER_ERRORS as error:
            self._broker.away(error)
        else:
            self._broker.back()

    def _publish(self, orders: Sequence[Order], on_sent: Sent) -> None:
        if not self._is_amqp:
            with self._app.producer_or_acquire() as producer:
                for order in orders:
                    _send(self._app, producer, order)
                    on_sent(order.run_id)
            return
        open_ones = {order.run_id: order for order in orders}

        def confirmed(run_id: UUID) -> None:
            del open_ones[run_id]
            on_sent(run_id)

        try:
            self._at_once(orders, confirmed)
        except ChannelError:
            # One of them cannot be sent, and nobody knows which.
            self._one_by_one(list(open_ones.values()), confirmed)

    def _at_once(self, orders: Sequence[Order], on_sent: Sent) -> None:
        is_used, link = self._link is not None, self._open()
        left = {order.run_id: order for order in orders}

        def confirmed(run_id: UUID) -> None:
            del left[run_id]
            on_sent(run_id)

        try:
            link.publish(orders, confirmed)
        except ChannelError:
            self.close()
            raise
        except BROKER_ERRORS:
            self.close()
            if not is_used:
                raise
            # The connection may have died long ago, unnoticed while nothing was due.
            self._at_once(list(left.values()), on_sent)
        else:
            if left:
                # The next connection declares the queue again that did not take them.
                self.close()

    def _one_by_one(self, orders: Sequence[Order], on_sent: Sent) -> None:
        for order in orders:
            try:
                self._at_once([order], on_sent)
            except ChannelError as error:
                extra = {"run": str(order.run_id), "task": order.task, "error": str(error)}
                logger.warning("run cannot be sent", extra=extra)

    def _open(self) -> "Link":
        if self._link is None:
            self._link = Link(self._app)
        return self._link


class Link:
    """A connection to RabbitMQ whose confirmations are collected instead of waited for."""

    def __init__(self, app: KuvertCelery) -> None:
        self._app = app
        # No heartbeat: nobody sends it while beat sleeps. A dead link shows at the next use.
        options = {"confirm_publish": False}
        self._connection = app.connection_for_write(heartbeat=0, transport_options=options)
        self._waiting: dict[int, UUID] = {}
        self._refused: set[str] = set()
        self._number = 0
        # kombu's type does not know what only RabbitMQ can do.
        channel: Any = self._connection.channel()
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        self._producer = Producer(channel)

    def publish(self, orders: Sequence[Order], on_sent: Sent) -> None:
        """Send all, then wait until the broker has answered for each.

        Raises:
            ChannelError: it does not take one of them.
        """
        self._on_sent = on_sent
        for order in orders:
            self._number += 1
            self._waiting[self._number] = order.run_id
            _send(self._app, self._producer, order)
        while self._waiting:
            self._connection.drain_events(timeout=CONFIRM_SECONDS)

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        self._connection.close()

    # ---- what RabbitMQ says ----

    def _on_ack(self, number: int, is_multiple: bool) -> None:
        for run_id in self._answered(number, is_multiple=is_multiple):
            if str(run_id) in self._refused:
                self._refused.discard(str(run_id))
            else:
                self._on_sent(run_id)

    def _on_nack(self, number: int, is_multiple: bool) -> None:
        refused = self._answered(number, is_multiple=is_multiple)
        logger.warning("broker refuses, will send again", extra={"runs": len(refused)})

    def _answered(self, number: int, *, is_multiple: bool) -> list[UUID]:
        """Return the runs that an answer is about: that number, or all up to it."""
        numbers = [item for item in self._waiting if item <= number] if is_multiple else [number]
        return [self._waiting.pop(item) for item in numbers if item in self._waiting]

    def _on_return(self, error: Exception, _exchange: str, _key: str, message: Message) -> None:
        """Note a message that no queue took; its acknowledgement follows."""
        run_id = str(message.properties.get("correlation_id"))
        self._refused.add(run_id)
        logger.warning("run cannot be sent", extra={"run": run_id, "error": str(error)})


def _send(app: KuvertCelery, producer: Producer, order: Order) -> None:
    run_id = str(order.run_id)
    # Tried once: another connection would not know what this one waits for.
    app.send_task(
        order.task,
        args=order.args,
        task_id=run_id,
        headers={HEADER: run_id},
        producer=producer,
        retry=False,
    )
