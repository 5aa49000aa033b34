"""Counts what a stretch of work asks of the database and of the broker, in this process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from celery.signals import after_task_publish
from psycopg.pq import TransactionStatus


@dataclass
class Counts:
    """How many there were while counting."""

    statements: int = 0
    transactions: int = 0
    messages: int = 0


@contextmanager
def counting(counts: Counts) -> Iterator[None]:
    """Add to `counts` what psycopg and Celery do inside the block."""

    def ran(cursor: psycopg.Cursor[Any]) -> None:
        counts.statements += 1
        counts.transactions += cursor.connection.autocommit

    def committed(connection: psycopg.Connection[Any]) -> None:
        is_open = connection.info.transaction_status is not TransactionStatus.IDLE
        counts.transactions += is_open

    def published(**_: object) -> None:
        counts.messages += 1

    with ExitStack() as stack:
        for name in ("execute", "executemany", "copy"):
            stack.enter_context(_noted(psycopg.Cursor, name, ran))
        stack.enter_context(_noted(psycopg.Connection, "commit", committed))
        after_task_publish.connect(published)
        stack.callback(after_task_publish.disconnect, published)
        yield


@contextmanager
def _noted(owner: type, name: str, note: Callable[[Any], None]) -> Iterator[None]:
    """Call `note` before each call of the method."""
    method = getattr(owner, name)

    def noted(self: object, *args: object, **kwargs: object) -> object:
        note(self)
        return method(self, *args, **kwargs)

    setattr(owner, name, noted)
    try:
        yield
    finally:
        setattr(owner, name, method)
