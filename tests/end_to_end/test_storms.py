"""Long fault tests, run by `make storm`: thousands of invoices, dozens of kills."""

import os
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import func, select

from callbacks.models import Callback
from status.models import StatusEvent
from tests.end_to_end import ledgers
from tests.end_to_end.desk import Desk, desk, unique
from tests.end_to_end.test_faults import Run, run_with_faults
from tests.support.provider import Provider
from tests.support.receiver import Receiver

pytestmark = [pytest.mark.processes, pytest.mark.storm]

SEED = int(os.environ.get("STORM_SEED", "1"))
CALLBACKS = Callback.__table__
EVENTS = StatusEvent.__table__


@pytest.fixture
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A desk of its own; on PostgreSQL unless the test says otherwise."""
    backend = getattr(request, "param", "postgresql")
    with desk(backend, tmp_path, "web", "worker", "beat") as running:
        yield running


@pytest.mark.parametrize(
    ("own", "count"), [("postgresql", 2000), ("mysql", 2000), ("sqlite", 1000)], indirect=["own"]
)
def test_thousands_of_invoices_each_way_under_twenty_kills(own: Desk, count: int) -> None:
    with ExitStack() as stack:
        run = run_with_faults(stack, own, seed=SEED, count=count, kills=20, seconds=100)
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


def test_a_thousand_words_before_our_own_commit_are_all_matched(own: Desk) -> None:
    """P6: the provider calls back before it answers the hand-over."""
    count = 1000
    with Provider("hasty", says=("delivered",), says_early=True) as hasty:
        own.add(hasty, sources={"hasty": "hasty"})
        own.send_batch("hasty", [unique("H") for _ in range(count)])
        own.expect(
            lambda: Counter(own.statuses("hasty").values()) == {"delivered": count},
            120,
            "all early callbacks are applied",
        )

        print(f"{len(hasty.told)} callbacks, {_early_callbacks(own)} before our own commit")
        assert len(hasty.told) == count
        assert _callback_states(own) == {"applied": count}
        assert _early_callbacks(own) == count
        assert _histories(own) == {("ready", "sending", "sent", "delivered"): count}


def _early_callbacks(desk: Desk) -> int:
    """Count the callbacks that were stored before the hand-over they speak of was."""
    sent = (EVENTS.c.delivery_id == CALLBACKS.c.delivery_id) & (EVENTS.c.to_status == "sent")
    early = CALLBACKS.c.received_at < EVENTS.c.recorded_at
    statement = select(func.count()).select_from(CALLBACKS.join(EVENTS, sent)).where(early)
    with desk.kuvert.database.single() as connection:
        return connection.scalar(statement) or 0


def _histories(desk: Desk) -> Counter[tuple[str, ...]]:
    """Count the invoices by the statuses that their history has."""
    columns = EVENTS.c
    statement = select(columns.invoice_id, columns.to_status).order_by(columns.sequence)
    found: dict[object, list[str]] = defaultdict(list)
    with desk.kuvert.database.single() as connection:
        for invoice_id, status in connection.execute(statement):
            found[invoice_id].append(status)
    return Counter(map(tuple, found.values()))


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
