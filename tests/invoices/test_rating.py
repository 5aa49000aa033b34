"""How many a provider is given in a minute."""

from datetime import datetime, timedelta

import pytest

from core import clock
from invoices import rating
from tests.support import desk
from tests.support.channel import FakeChannel
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database


@pytest.fixture
def moving(monkeypatch: pytest.MonkeyPatch) -> list[timedelta]:
    """Lets a test move the claims' clock ahead; it stands still however long sending takes."""
    ahead = [timedelta(0)]
    # What the test adds is due by then.
    began = clock.utcnow() + timedelta(minutes=1)

    def standing() -> datetime:
        return began + ahead[0]

    monkeypatch.setattr("invoices.services.claims.utcnow", standing)
    return ahead


def test_no_more_than_its_rate_is_claimed(source: SourceWithKey, moving: list[timedelta]) -> None:
    desk.change(desk.PROVIDERS, settings={"most_per_minute": "60"})
    for _ in range(12):
        add_invoice(source)

    handed_out = []
    for second in (0, 0.5, 3, 5, 10):
        moving[0] = timedelta(seconds=second)
        handed_out.append(desk.send(FakeChannel()))

    # Five at once, then one each second: after ten seconds it is all.
    assert handed_out[0] == 5
    assert handed_out[1] == 0
    assert sum(handed_out[:3]) == 8
    assert sum(handed_out) == 12


def test_a_rate_below_one_in_the_span_still_lets_one_go(
    source: SourceWithKey, moving: list[timedelta]
) -> None:
    desk.change(desk.PROVIDERS, settings={"most_per_minute": "2"})
    for _ in range(3):
        add_invoice(source)

    counts = []
    for second in (0, 20, 31):
        moving[0] = timedelta(seconds=second)
        counts.append(desk.send(FakeChannel()))

    assert counts == [1, 0, 1]


def test_a_clock_that_was_wrong_for_a_while_stops_nothing(
    source: SourceWithKey, moving: list[timedelta]
) -> None:
    desk.change(desk.PROVIDERS, settings={"most_per_minute": "60"})
    for _ in range(8):
        add_invoice(source)
    moving[0] = timedelta(days=2)
    ahead = desk.send(FakeChannel())
    moving[0] = timedelta(0)

    assert (ahead, desk.send(FakeChannel())) == (5, 3)


def test_without_a_rate_there_is_none(source: SourceWithKey) -> None:
    for _ in range(20):
        add_invoice(source)

    assert desk.send(FakeChannel()) == 20
    assert desk.only(desk.PROVIDERS).rated_until is None


def test_a_rate_is_a_whole_number() -> None:
    assert rating.of({"most_per_minute": "120"}) == 120
    assert rating.of({}) is None
