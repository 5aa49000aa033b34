"""Named locks: one holder, taken over when its time is up, with a token that grows."""

import threading
import time
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from core import leases
from core.clock import utcnow
from core.db import unit_of_work
from core.leases import LEASES, Busy, Held

pytestmark = [pytest.mark.every_database, pytest.mark.every_case]

MINUTE = timedelta(minutes=1)
NAME = "tasks.something"


def take(name: str = NAME, length: timedelta = MINUTE) -> Held | Busy:
    with unit_of_work() as connection:
        return leases.take(connection, name, length)


def held(name: str = NAME, length: timedelta = MINUTE) -> Held:
    found = take(name, length)
    assert isinstance(found, Held)
    return found


def renew(mine: Held) -> bool:
    with unit_of_work() as connection:
        return leases.renew(connection, mine, MINUTE)


def release(mine: Held) -> None:
    with unit_of_work() as connection:
        leases.release(connection, mine)


def run_out() -> None:
    with unit_of_work() as connection:
        connection.execute(update(LEASES).values(until=utcnow() - timedelta(seconds=1)))


def test_the_second_taker_learns_who_has_it_since_when(app: Flask) -> None:
    held()

    busy = take()

    assert isinstance(busy, Busy)
    assert busy.holder == leases.holder_name()
    assert timedelta(0) <= utcnow() - busy.since < timedelta(seconds=5)


@pytest.mark.one_database
def test_another_name_is_another_lock(app: Flask) -> None:
    held("a")

    assert held("b").token == 1


def test_what_was_released_is_free(app: Flask) -> None:
    release(held())

    assert held().token == 2


def test_what_has_run_out_is_taken_over(app: Flask) -> None:
    first = held()
    run_out()

    second = held()

    assert second.token == first.token + 1
    assert isinstance(take(), Busy)


def test_the_earlier_holder_can_neither_renew_nor_release(app: Flask) -> None:
    first = held()
    run_out()
    second = held()

    assert not renew(first)
    release(first)

    assert isinstance(take(), Busy)
    assert renew(second)


def test_who_renews_in_time_keeps_it(app: Flask) -> None:
    mine = held(length=timedelta(seconds=0))

    assert renew(mine)

    assert isinstance(take(), Busy)


def test_the_token_grows_with_each_holder(app: Flask) -> None:
    tokens = []
    for _ in range(5):
        mine = held()
        tokens.append(mine.token)
        release(mine)

    assert tokens == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("is_there", [False, True])
def test_of_many_at_once_one_gets_it(app: Flask, is_there: bool) -> None:
    if is_there:
        release(held())
    start = threading.Barrier(6)
    found: list[Held | Busy] = []

    def try_it() -> None:
        with app.app_context():
            start.wait(10)
            found.append(take())

    threads = [threading.Thread(target=try_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sum(isinstance(item, Held) for item in found) == 1
    assert len(found) == 6


@pytest.mark.parametrize("is_there", [False, True])
def test_of_many_that_lock_at_once_one_at_a_time_goes_on(app: Flask, is_there: bool) -> None:
    if is_there:
        release(held())
    start = threading.Barrier(4)
    said: list[str] = []

    def lock() -> None:
        with app.app_context():
            start.wait(10)
            with unit_of_work() as connection:
                leases.lock(connection, NAME)
                said.append("in")
                time.sleep(0.1)
                said.append("out")

    threads = [threading.Thread(target=lock) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert said == ["in", "out"] * 4
    assert isinstance(take(), Held)


def test_a_rolled_back_take_holds_nothing(app: Flask) -> None:
    with pytest.raises(ZeroDivisionError):
        _take_and_fail()

    assert held().token == 1


def _take_and_fail() -> None:
    with unit_of_work() as connection:
        leases.take(connection, NAME, MINUTE)
        raise ZeroDivisionError


def test_one_row_is_enough(app: Flask) -> None:
    for _ in range(3):
        release(held())

    with unit_of_work() as connection:
        assert len(connection.execute(LEASES.select()).all()) == 1
