"""Nothing is lost and nothing is doubled, whoever is killed and whatever a provider does."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType

import pytest

from tests.end_to_end import ledgers
from tests.end_to_end.chaos import Chaos
from tests.end_to_end.desk import Background, Desk, desk
from tests.end_to_end.ledgers import Submitter
from tests.support.provider import Faults, Provider
from tests.support.subscriber import Subscriber

pytestmark = pytest.mark.processes

FAULTS = {"busy": 0.02, "slow": 0.03, "silent": 0.01, "reset": 0.005}
TIMEOUT = {"timeout_seconds": "2"}
"""Below the leases of these tests (4 s), as the 30 s of real life are below theirs (300 s)."""


@dataclass
class Side:
    """One provider, its source, and the two other ledgers."""

    provider: Provider
    submitter: Submitter
    subscriber: Subscriber

    @property
    def ids(self) -> list[str]:
        """Return the ids of all that was taken in."""
        return list(self.submitter.accepted.values())


@dataclass
class Run:
    """A run with faults, after it has come to rest."""

    desk: Desk
    chaos: Chaos
    sides: dict[str, Side]
    count: int


def run_with_faults(
    stack: ExitStack,
    desk: Desk,
    *,
    seed: int,
    count: int,
    kills: int,
    seconds: float,
    others: Mapping[str, Callable[[], None]] = MappingProxyType({}),
    quiet_seconds: float = 60,
) -> Run:
    """Hand `count` invoices to each of two providers, one of which ignores our key, and kill.

    `others` are faults beside the processes of the desk.
    """
    faults = Faults(seed=seed, **FAULTS)
    honest = Provider("honest", says=("delivered",), faults=faults, seconds=0.05)
    deaf = Provider("deaf", honours_key=False, faults=faults, seconds=0.05)
    sides = {side.code: _side(stack, desk, side) for side in (honest, deaf)}
    chaos = Chaos(desk.kuvert, seed, others=others)
    numbers = {code: [f"{code}-{n:05}" for n in range(count)] for code in sides}
    gap = seconds * 4 / count
    work = [
        Background(ledgers.submit_all, side.submitter, numbers[code], gap)
        for code, side in sides.items()
    ]
    with chaos.supervised():
        chaos.strike(kills)
        for part in work:
            part.wait(seconds + ledgers.INSIST_SECONDS + quiet_seconds)
        # What a database that was crashed has cut.
        desk.kuvert.database.close()
        ledgers.settle(desk, quiet_seconds, honest, deaf)
    return Run(desk, chaos, sides, count)


def _side(stack: ExitStack, desk: Desk, provider: Provider) -> Side:
    stack.enter_context(provider)
    desk.add(provider, sources={provider.code: provider.code}, settings=TIMEOUT)
    subscriber = stack.enter_context(Subscriber())
    desk.subscribe(provider.code, subscriber)
    return Side(provider, Submitter(desk.api(provider.code)), subscriber)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """300 invoices to each provider, six kills."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("faults")
        own = stack.enter_context(desk("postgresql", folder, "web", "worker", "beat"))
        yield run_with_faults(stack, own, seed=1, count=300, kills=6, seconds=15)


def test_every_kill_hit_a_process(run: Run) -> None:
    print(Counter(run.chaos.hits))
    assert len(run.chaos.hits) >= 6
    assert set(run.chaos.hits) == {"pool child", "worker", "web", "beat"}


@pytest.mark.parametrize("code", ["honest", "deaf"])
def test_nothing_that_was_taken_in_is_lost(run: Run, code: str) -> None:
    statuses = run.desk.statuses(code)

    assert len(run.sides[code].submitter.accepted) == run.count
    assert set(run.sides[code].ids) == set(statuses)


def test_all_are_delivered_where_the_provider_honours_our_key(run: Run) -> None:
    assert Counter(run.desk.statuses("honest").values()) == {"delivered": run.count}


@pytest.mark.parametrize("code", ["honest", "deaf"])
def test_nothing_is_accepted_twice(run: Run, code: str) -> None:
    provider = run.sides[code].provider

    assert ledgers.extra_acceptances(provider) == {}
    assert {len(keys) for keys in ledgers.keys_by_number(provider).values()} == {1}


def test_what_is_unclear_is_unknown_where_the_key_is_ignored(run: Run) -> None:
    side = run.sides["deaf"]
    statuses = run.desk.statuses("deaf")
    by_number = {number: statuses[key] for number, key in side.submitter.accepted.items()}
    accepted = set(side.provider.acceptances)
    print(Counter(by_number.values()))

    unknown = {number for number, status in by_number.items() if status == "unknown"}
    assert set(by_number.values()) <= {"sent", "unknown"}
    assert unknown
    assert unknown == {number for number in ledgers.unclear_numbers(run.desk) if "deaf" in number}
    assert set(by_number) - unknown <= accepted


def test_every_unknown_says_why(run: Run) -> None:
    api = run.desk.api("deaf")
    unknown = [key for key, status in run.desk.statuses("deaf").items() if status == "unknown"]

    assert all(api.history(invoice_id)[-1]["detail"] for invoice_id in unknown)


@pytest.mark.parametrize("code", ["honest", "deaf"])
def test_the_subscriber_hears_everything(run: Run, code: str) -> None:
    side = run.sides[code]

    assert ledgers.missing_events(run.desk.api(code), side.ids, side.subscriber) == []
