"""Dispatch: from rows that are due to the last one sent."""

from concurrent.futures import ProcessPoolExecutor

from tests.benchmarks import bare, peer
from tests.benchmarks.kuvert import Desk
from tests.benchmarks.report import Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage

OURS, PEERS, BARE = 3000, 400, 4000
WARM_UP = 300


class _Sides:
    """The three ways to send, each returning invoices per second."""

    def __init__(self, stage: Stage, desk: Desk, pool: ProcessPoolExecutor) -> None:
        self.desk = desk
        self.pool = pool
        self.url = f"http://127.0.0.1:{stage.provider_port}"

    def ours(self, provider: str) -> float:
        self.desk.fill(provider, OURS)
        return OURS / self.desk.send_all()

    def peers(self) -> float:
        peer.fill(PEERS)
        return PEERS / peer.send_all()

    def bare(self, provider: str) -> float:
        return bare.rate(self.pool, f"{self.url}/{provider}", BARE)

    def warm_up(self) -> None:
        peer.fill(WARM_UP // 3)
        peer.send_all()
        for provider in ("now", "wait"):
            self.desk.fill(provider, WARM_UP)
            self.desk.send_all()
            bare.rate(self.pool, f"{self.url}/{provider}", WARM_UP)


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Compare with the peer and with the bare client; both workers run."""
    with bare.pool() as pool:
        sides = _Sides(stage, desk, pool)
        sides.warm_up()
        ours, peers, limit, late, late_limit = in_turns(
            lambda: sides.ours("now"),
            sides.peers,
            lambda: sides.bare("now"),
            lambda: sides.ours("wait"),
            lambda: sides.bare("wait"),
        )
    at_once, after = "dispatch, provider answers at once", "dispatch, provider takes 50 ms"
    return [
        Row(name=at_once, ours=ours, other=peers, against="Django", goal=10),
        Row(name=at_once, ours=ours, other=limit, against="bare loop", goal=0.4),
        Row(name=after, ours=late, other=late_limit, against="bare loop", goal=0.6),
    ]
