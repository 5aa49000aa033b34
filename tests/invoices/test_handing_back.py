"""A worker that is told to stop hands back what it has not sent."""

from collections import Counter
from collections.abc import Iterator

import pytest

from core import stopping
from invoices.models import Outcome
from tests.support.channel import FakeChannel
from tests.support.desk import ATTEMPTS, DELIVERIES, PROVIDERS, change, path_of, rows, send
from tests.support.factories import SourceWithKey, add_invoice


@pytest.fixture(autouse=True)
def _not_asked() -> Iterator[None]:
    yield
    stopping._asked[0] = 0


@pytest.fixture
def stopped_by_the_first() -> FakeChannel:
    """A channel during whose first hand-over the worker is told to stop."""
    channel = FakeChannel()
    channel.before_answer = lambda _: stopping.ask()
    return channel


def test_what_is_not_sent_is_due_again(
    source: SourceWithKey, stopped_by_the_first: FakeChannel
) -> None:
    ids = [add_invoice(source) for _ in range(3)]

    assert send(stopped_by_the_first) == 1

    assert Counter(row.state for row in rows(DELIVERIES)) == {"sent": 1, "retry_wait": 2}
    assert all(row.lease_token is None for row in rows(DELIVERIES))
    assert Counter(row.outcome for row in rows(ATTEMPTS)) == {
        Outcome.ACCEPTED: 1,
        Outcome.HANDED_BACK: 2,
    }
    stopping._asked[0] = 0
    assert send(FakeChannel()) == 2
    assert {path_of(item)[-1] for item in ids} == {"sent"}


def test_where_no_key_is_honoured_nothing_more_is_begun(
    source: SourceWithKey, stopped_by_the_first: FakeChannel
) -> None:
    change(PROVIDERS, is_idempotent=False)
    ids = [add_invoice(source) for _ in range(3)]

    assert send(stopped_by_the_first) == 1

    assert len(rows(ATTEMPTS)) == 1
    assert Counter(path_of(item)[-1] for item in ids) == {"sent": 1, "ready": 2}
    stopping._asked[0] = 0
    assert send(FakeChannel()) == 2


def test_handing_back_uses_up_no_try(
    source: SourceWithKey, stopped_by_the_first: FakeChannel
) -> None:
    add_invoice(source)
    add_invoice(source)
    change(DELIVERIES, attempt_count=7)

    send(stopped_by_the_first)

    assert Counter(row.state for row in rows(DELIVERIES)) == {"sent": 1, "retry_wait": 1}
