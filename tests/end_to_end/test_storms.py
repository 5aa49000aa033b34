"""Long fault tests, run by `make storm`: thousands of invoices, dozens of kills."""

import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import func, select

from callbacks.models import Callback
from tests.end_to_end import ledgers
from tests.end_to_end.chaos import Chaos
from tests.end_to_end.desk import Background, Desk, desk, unique
from tests.end_to_end.test_faults import Run, run_with_faults
from tests.support.provider import Provider
from tests.support.receiver import Receiver

pytestmark = [pytest.mark.processes, pytest.mark.storm]

SEED = int(os.environ.get("STORM_SEED", "1"))
COUNT = 2000
CALLBACKS = Callback.__table__


@pytest.fixture
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A desk of its own; on PostgreSQL unless the test says otherwise."""
    backend = getattr(request, "param", "postgresql")
    with desk(backend, tmp_path, "web", "worker", "beat") as running:
        yield running


@pytest.mark.parametrize("own", ["postgresql", "mysql"], indirect=True)
def test_two_thousand_invoices_each_way_under_twenty_kills(own: Desk) -> None:
    with ExitStack() as stack:
        run = run_with_faults(stack, own, seed=SEED, count=COUNT, kills=20, seconds=100)
        print(f"seed {SEED}: {Counter(run.chaos.hits)}")
        for code in run.sides:
            _check(run, code)
        _check_ends(run)


def _check(run: Run, code: str) -> None:
    side = run.sides[code]
    statuses = Counter(run.desk.statuses(code).values())
    print(f"{code}: {statuses}, slowest intake {side.submitter.slowest:.2f} s")
    assert len(side.submitter.accepted) == run.count
    assert set(side.ids) == set(run.desk.statuses(code))
    assert ledgers.extra_acceptances(side.provider) == {}
    assert {len(keys) for keys in ledgers.keys_by_number(side.provider).values()} == {1}
    assert ledgers.missing_events(run.desk.api(code), side.ids, side.subscriber) == []


def _check_ends(run: Run) -> None:
    assert set(run.desk.statuses("honest").values()) == {"delivered"}
    side, statuses = run.sides["deaf"], run.desk.statuses("deaf")
    sent = {number for number, key in side.submitter.accepted.items() if statuses[key] == "sent"}
    assert set(statuses.values()) <= {"sent", "unknown"}
    assert sent <= set(side.provider.acceptances)
    assert not sent & ledgers.unclear_numbers(run.desk)


def test_two_thousand_callbacks_under_ten_kills(own: Desk) -> None:
    with Provider("chatty") as provider:
        own.add(provider, sources={"chatty": "chatty"})
        ids = own.send_batch("chatty", [unique("C") for _ in range(500)])
        own.expect(lambda: set(own.statuses("chatty").values()) == {"sent"}, 60, "all are sent")
        keys = [request.key for request in provider.requests]
        chaos = Chaos(own.kuvert, SEED)
        saying = Background(_say_all, provider, keys)
        chaos.strike(10)
        saying.wait(300)
        ledgers.settle(own, 60, provider)

        print(f"seed {SEED}: {Counter(chaos.hits)}, {len(provider.told)} callbacks answered")
        assert len(provider.told) == 4 * len(ids)
        assert Counter(own.statuses("chatty").values()) == {"delivered": len(ids)}
        assert _callback_states(own) == {"applied": len(ids), "ignored": 3 * len(ids)}
        for invoice_id in ids[::25]:
            history = own.api("chatty").history(invoice_id)
            assert len([event for event in history if event["cause"] == "callback"]) == 4


def _say_all(provider: Provider, keys: list[str]) -> None:
    """Call back four times for each key, from eight senders, each until it is taken."""
    words = [
        (f"{key}-{n}", key, word)
        for n, word in enumerate(("sent", "delivered", "sent", "delivered"))
        for key in keys
    ]
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda word: _slowly(provider, *word), words):
            pass


def _slowly(provider: Provider, event_id: str, key: str, word: str) -> None:
    provider.insist(event_id, key, word)
    time.sleep(0.05)


def _callback_states(desk: Desk) -> dict[str, int]:
    columns = CALLBACKS.c
    statement = select(columns.state, func.count()).group_by(columns.state)
    with desk.kuvert.database.single() as connection:
        return {row[0]: row[1] for row in connection.execute(statement)}


def test_sick_providers_slow_no_other(own: Desk) -> None:
    with ExitStack() as stack:
        well, hanging, dripping = (
            stack.enter_context(provider)
            for provider in (
                Provider("well"),
                Provider("hanging", seconds=15.0),
                Provider("dripping", drips=True),
            )
        )
        providers = (well, hanging, dripping)
        own.add(*providers, sources={item.code: item.code for item in providers})
        before = _p95_of_sending(own, well)
        for sick in (hanging, dripping):
            own.send_batch(sick.code, [unique("K") for _ in range(300)])
        own.expect(lambda: hanging.requests and dripping.requests, 20, "both have begun")

        after = _p95_of_sending(own, well)

        print(f"p95 from intake to provider: {before:.3f} s alone, {after:.3f} s beside sick ones")
        assert after <= 2 * before


def _p95_of_sending(desk: Desk, provider: Provider) -> float:
    """Return the seconds from intake to the provider, over 100 invoices in 25 seconds."""
    began: dict[str, float] = {}
    for _ in range(100):
        number = unique("P")
        began[number] = time.monotonic()
        desk.send(provider.code, number)
        time.sleep(0.25)
    desk.expect(
        lambda: began.keys() <= {request.number for request in provider.requests}, 120, "all came"
    )
    came = {request.number: request.came_at for request in provider.requests}
    return statistics.quantiles([came[key] - start for key, start in began.items()], n=20)[-1]


def test_a_dead_subscriber_slows_no_other(own: Desk) -> None:
    with ExitStack() as stack:
        provider = stack.enter_context(Provider("told"))
        own.add(provider, sources={"told": "told", "untold": "told"})
        good, dead = stack.enter_context(Receiver()), stack.enter_context(Receiver())
        dead.before_answer = lambda: time.sleep(15)
        own.api("told").subscribe(good.url)
        before = _p95_of_telling(own, good)
        own.api("untold").subscribe(dead.url)
        own.send_batch("untold", [unique("U") for _ in range(300)])

        after = _p95_of_telling(own, good)

        print(
            f"p95 from intake to subscriber: {before:.3f} s alone, {after:.3f} s beside a dead one"
        )
        assert after <= 2 * before


def _p95_of_telling(desk: Desk, receiver: Receiver) -> float:
    """Return the seconds from intake to the first event, over 60 invoices in 20 seconds."""
    seconds = []
    for _ in range(60):
        began, count = time.monotonic(), len(receiver.requests)
        desk.send("told", unique("T"))
        receiver.wait_for(count + 1, timeout_seconds=60)
        seconds.append(time.monotonic() - began)
        time.sleep(0.2)
    return statistics.quantiles(seconds, n=20)[-1]
