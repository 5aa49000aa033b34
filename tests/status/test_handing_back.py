"""A worker that is told to stop hands back the pushes that it has not posted."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from core import stopping
from core.clock import utcnow
from core.db import unit_of_work
from core.ids import new_id
from core.pump import Message
from core.web import settings
from status import pushes
from tests.support.desk import rows
from tests.support.factories import SourceWithKey, add_invoice, add_subscription
from tests.support.receiver import Receiver

LEASE = timedelta(minutes=5)
COUNT = 3 * pushes.CONCURRENCY


@pytest.fixture(autouse=True)
def _not_asked() -> Iterator[None]:
    yield
    stopping._asked[0] = 0


def post() -> int:
    token = new_id()
    with unit_of_work() as connection:
        [group] = pushes.claim(connection, 100, token, utcnow() + LEASE)
    return pushes.post_batch(Message(token, group.ids, LEASE), settings())


def test_what_is_not_posted_is_due_again(source: SourceWithKey) -> None:
    with Receiver() as receiver:
        add_subscription(source, receiver.url)
        for _ in range(COUNT):
            add_invoice(source)
        receiver.before_answer = stopping.ask

        posted = post()
        left = [row for row in rows(pushes.PUSHES) if row.state == "pending"]

        assert posted < COUNT
        assert len(left) == COUNT - posted
        assert {(row.attempt_count, row.lease_token) for row in left} == {(0, None)}
        stopping._asked[0] = 0
        receiver.before_answer = lambda: None
        assert post() == len(left)
        assert len(receiver.requests) == COUNT
