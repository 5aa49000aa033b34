"""What comes in over HTTP: invoices one by one and in batches, and callbacks."""

import json
import time
from collections.abc import Iterator
from itertools import count
from uuid import uuid4

from core.webhooks import signed_headers
from tests.benchmarks import load, peer
from tests.benchmarks.documents import document, documents
from tests.benchmarks.kuvert import LATER, Desk
from tests.benchmarks.limits import Limits
from tests.benchmarks.report import Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage

SINGLE = "/api/v1/invoices"
MANY = "/api/v1/invoices/batch"
CALLBACKS = "/callbacks/now"
NDJSON = "application/x-ndjson"
BATCH = 1000
SENDERS = 2
ROUNDS = 7
WARM_UP = 200
INSERTS, COPIES = 2400, 10_000

_events = count(1)


class Requests:
    """Builds requests, for us and for the peer."""

    def __init__(self, stage: Stage, desk: Desk) -> None:
        self._secret = stage.callback_secret
        ours, theirs = f"Bearer {desk.keys['now']}", f"Bearer {peer.key()}"
        self._keys = {"ours": ours, "peer": theirs}

    def single(self, side: str, number: int) -> list[bytes]:
        """Return requests of one new invoice each."""
        headers = {"Content-Type": "application/json", "Authorization": self._keys[side]}
        later = LATER if side == "ours" else None
        return [load.post(SINGLE, headers, document(side, send_at=later)) for _ in range(number)]

    def batches(self, side: str, number: int) -> list[bytes]:
        """Return requests of a thousand new invoices each."""
        headers = {"Content-Type": NDJSON, "Authorization": self._keys[side]}
        return [load.post(MANY, headers, b"\n".join(documents(side, BATCH))) for _ in range(number)]

    def callbacks(self, number: int) -> list[bytes]:
        """Return signed callbacks about deliveries that nobody knows."""
        return [load.post(CALLBACKS, *callback) for callback in self._callbacks(number)]

    def _callbacks(self, number: int) -> Iterator[tuple[dict[str, str], bytes]]:
        now = int(time.time())
        for _ in range(number):
            event_id = f"evt_{uuid4().hex}_{next(_events)}"
            body = json.dumps({"reference": str(uuid4()), "status": "delivered"}).encode()
            signed = signed_headers([self._secret], event_id, now, body)
            yield {"Content-Type": "application/json", **dict(signed)}, body


class _Sides:
    """Both web servers under the same load."""

    def __init__(self, requests: Requests, ours: int, theirs: int) -> None:
        self.requests = requests
        self.ports = {"ours": ours, "peer": theirs}

    def single(self, side: str, number: int) -> float:
        return load.run(self.ports[side], self.requests.single(side, number)).check(202).rate

    def batches(self, side: str, number: int = SENDERS) -> float:
        requests = self.requests.batches(side, number)
        return load.run(self.ports[side], requests, SENDERS).check(200).rate * BATCH

    def callbacks(self, side: str, number: int) -> float:
        return load.run(self.ports[side], self.requests.callbacks(number)).check(202).rate

    def warm_up(self) -> None:
        for side in self.ports:
            self.single(side, WARM_UP)
            self.callbacks(side, WARM_UP)
            self.batches(side, 2)


def rows(stage: Stage, desk: Desk, port: int, peer_port: int) -> list[Row]:
    """Compare with the peer and with what the database alone can do."""
    sides = _Sides(Requests(stage, desk), port, peer_port)
    limits = Limits(stage.database, "bench_documents", document("limit"))
    sides.warm_up()
    return [*_single(sides, limits), *_batches(sides, limits), *_callbacks(sides)]


def _single(sides: _Sides, limits: Limits) -> list[Row]:
    ours, peers, limit = in_turns(
        lambda: sides.single("ours", 600),
        lambda: sides.single("peer", 250),
        lambda: limits.inserts(INSERTS),
        rounds=ROUNDS,
    )
    name = "invoice in, one by one, 10 lines"
    return [
        Row(name=name, ours=ours, other=peers, against="Django", goal=3),
        Row(name=name, ours=ours, other=limit, against="bare INSERT"),
    ]


def _batches(sides: _Sides, limits: Limits) -> list[Row]:
    ours, peers, limit = in_turns(
        lambda: sides.batches("ours"),
        lambda: sides.batches("peer"),
        lambda: limits.copy(COPIES),
        rounds=ROUNDS,
    )
    name = "invoices in, batches of 1,000"
    return [
        Row(name=name, ours=ours, other=peers, against="Django bulk_create", goal=4),
        Row(name=name, ours=ours, other=limit, against="raw COPY"),
    ]


def _callbacks(sides: _Sides) -> list[Row]:
    ours, peers = in_turns(
        lambda: sides.callbacks("ours", 1200),
        lambda: sides.callbacks("peer", 350),
        rounds=ROUNDS,
    )
    return [Row(name="callback in", ours=ours, other=peers, against="Django", goal=4)]
