"""Subscriptions in each state, with pushes that arrived, wait, or were given up."""

from contextlib import ExitStack
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Table, select, update

from core.clock import utcnow
from core.db import unit_of_work
from core.editing import By
from core.ids import new_id
from core.pump import Message
from core.web import settings
from invoices import setup
from status import pushes, subscriptions
from status.models import Push, Subscription
from tests.support.receiver import Receiver

ANN = By("ann@example.com")

PUSHES = Push.__table__
SUBSCRIPTIONS = Subscription.__table__
LEASE = timedelta(minutes=5)
TRIES = 3
NAMES = ("well", "ill", "paused", "deleted")


def add(source_name: str) -> None:
    """Add subscriptions of a source; nobody listens at their addresses yet."""
    with unit_of_work() as connection:
        source = setup.source(connection, source_name)
        for name in NAMES:
            url = f"http://127.0.0.1:9/{name}"
            subscriptions.subscribe(connection, source.id, url, (), settings=settings())


def push() -> None:
    """Let one subscriber take what is due and one be ill; pause and delete the others."""
    with ExitStack() as stack:
        well = stack.enter_context(Receiver())
        ill = stack.enter_context(Receiver(answers=(500, 429, 503) * 1000))
        for name, receiver in (("well", well), ("ill", ill)):
            _move(name, receiver.url)
        with unit_of_work() as connection:
            subscriptions.pause(connection, _found(connection, "paused"), ANN)
            subscriptions.delete(connection, _found(connection, "deleted"), ANN)
        for _ in range(TRIES):
            _post_what_is_due()
    _move(well.url, "https://erp.example/hooks/kuvert")
    _move(ill.url, "https://old-erp.example/hooks/kuvert?tenant=7")


def _post_what_is_due() -> None:
    past = utcnow() - timedelta(seconds=1)
    _write(PUSHES, PUSHES.c.due_at.is_not(None), due_at=past)
    _write(SUBSCRIPTIONS, SUBSCRIPTIONS.c.closed_until.is_not(None), closed_until=None, pace=64)
    for message in _claim():
        pushes.post_batch(message, settings())


def _claim() -> list[Message]:
    token = new_id()
    with unit_of_work() as connection:
        groups = pushes.claim(connection, 1000, token, utcnow() + LEASE)
    return [Message(token, group.ids, LEASE) for group in groups]


def _move(old: str, url: str) -> None:
    _write(SUBSCRIPTIONS, SUBSCRIPTIONS.c.url.endswith(old), url=url)


def _write(table: Table, where: ColumnElement[bool], **values: object) -> None:
    with unit_of_work() as connection:
        connection.execute(update(table).where(where).values(values))


def _found(connection: Connection, name: str) -> Row[tuple[UUID]]:
    mine = SUBSCRIPTIONS.c.url.endswith(f"/{name}")
    return connection.execute(select(SUBSCRIPTIONS).where(mine)).one()
