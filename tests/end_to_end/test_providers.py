"""Providers that are paused, and providers that are not there."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from invoices.models import Provider as ProviderRow
from tests.end_to_end.desk import Desk, unique
from tests.support.ports import free_port
from tests.support.provider import Provider

pytestmark = pytest.mark.processes

PROVIDERS = ProviderRow.__table__


@pytest.fixture
def well(shared: Desk) -> Iterator[Provider]:
    """A provider that is well, with a source of its own of the same name."""
    with Provider(unique("well").lower()) as provider:
        shared.add(provider, sources={provider.code: provider.code})
        yield provider


def test_a_paused_provider_gets_nothing_and_loses_nothing(shared: Desk, well: Provider) -> None:
    shared.kuvert.furnish(pause=well.code)
    ids = [shared.send(well.code) for _ in range(5)]
    witness = Provider(unique("witness").lower())
    with witness:
        shared.add(witness, sources={witness.code: witness.code})
        shared.wait_for(witness.code, shared.send(witness.code), "sent")
    assert well.requests == []
    assert shared.statuses(well.code) == dict.fromkeys(ids, "ready")

    shared.kuvert.furnish(resume=well.code)

    shared.expect(
        lambda: shared.statuses(well.code) == dict.fromkeys(ids, "sent"), 15, "all go out"
    )
    assert len(well.requests) == 5


def test_a_dead_provider_is_left_in_peace_and_others_go_on(shared: Desk, well: Provider) -> None:
    with Provider(unique("dead").lower()) as dead:
        nowhere = f"http://127.0.0.1:{free_port()}/invoices"
        shared.add(dead, sources={dead.code: dead.code}, url=nowhere)
        lost = shared.send_batch(dead.code, [unique("D") for _ in range(8)])

        shared.expect(lambda: _closed_until(shared, dead.code), 15, "its breaker opens")
        ids = [shared.send(well.code) for _ in range(5)]
        later = shared.send(dead.code)

        shared.expect(
            lambda: shared.statuses(well.code) == dict.fromkeys(ids, "sent"), 5, "others go on"
        )
        assert shared.statuses(dead.code) == dict.fromkeys(lost, "retry_wait") | {later: "ready"}


def _closed_until(desk: Desk, code: str) -> object:
    columns = PROVIDERS.c
    with desk.kuvert.database.single() as connection:
        return connection.scalar(select(columns.closed_until).where(columns.code == code))
