"""P4: 20,000 callbacks by eight senders while everything is killed in turn."""

import http.client
import os
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Row, func, select

from callbacks.models import Callback
from status.models import StatusEvent
from tests.end_to_end import ledgers
from tests.end_to_end.chaos import VICTIMS, Chaos
from tests.end_to_end.desk import Background, Desk
from tests.faults.conftest import Progress
from tests.faults.figures import Figures
from tests.faults.pressure import NONE, Answer, by_status
from tests.faults.stage import Stage
from tests.support.provider import Provider

pytestmark = [pytest.mark.processes, pytest.mark.storm]

SEED = int(os.environ.get("STORM_SEED", "1"))
WORDS = ("sent", "delivered", "sent", "delivered")
INVOICES = 5000
COUNT = INVOICES * len(WORDS)
BATCH = 1000
SENDERS = 8
KILLS = 50
SECONDS = 300
BROKER_SECONDS = 5
LONGEST_SECONDS = 900
QUIET_SECONDS = 300
P99_SECONDS = 1

CALLBACKS = Callback.__table__
EVENTS = StatusEvent.__table__


@dataclass
class Senders:
    """Eight senders of callbacks, each of which repeats one until it is taken."""

    provider: Provider
    answers: list[Answer] = field(default_factory=list)

    def say_all(self, keys: Sequence[str]) -> None:
        """Say each word of each key, first the first of all."""
        words = [(f"{key}-{n}", key, word) for n, word in enumerate(WORDS) for key in keys]
        with ThreadPoolExecutor(SENDERS) as pool:
            for _ in pool.map(lambda word: self._insist(*word), words):
                pass

    def _insist(self, event_id: str, key: str, word: str) -> None:
        until = time.monotonic() + ledgers.INSIST_SECONDS
        while not self._say(event_id, key, word):
            assert time.monotonic() < until, f"{event_id} was not taken"
            time.sleep(0.2)
        time.sleep(SECONDS * SENDERS / COUNT)

    def _say(self, event_id: str, key: str, word: str) -> bool:
        began = time.monotonic()
        try:
            status = self.provider.call_back(event_id, key, word)
        except (OSError, http.client.HTTPException) as error:
            seconds = time.monotonic() - began
            self.answers.append(Answer(event_id, began, seconds, NONE, problem=repr(error)))
            return False
        answer = Answer(event_id, began, time.monotonic() - began, status)
        self.answers.append(answer)
        return answer.is_taken


def test_twenty_thousand_callbacks_while_everything_is_killed(
    stage: Stage, progress: Progress
) -> None:
    own, figures = stage.desk, Figures(f"P4, {COUNT:,} callbacks, {KILLS} kills, seed {SEED}")
    outages: list[tuple[float, float]] = []

    def crash_broker() -> None:
        gone_at = time.monotonic()
        stage.crash_broker(BROKER_SECONDS)
        outages.append((gone_at, time.monotonic()))

    with Provider("chatty") as provider:
        own.add(provider, sources={"chatty": "chatty"})
        for start in range(0, INVOICES, BATCH):
            own.send_batch("chatty", [f"C-{n:05}" for n in range(start, start + BATCH)])
        own.expect(lambda: set(own.statuses("chatty").values()) == {"sent"}, 120, "all are sent")
        senders = Senders(provider)
        others = {"broker": crash_broker, "database": stage.crash_database}
        chaos = Chaos(own.kuvert, SEED, others=others)
        saying = Background(senders.say_all, [request.key for request in provider.requests])
        shown = progress(lambda: f"{len(provider.told):,} taken, {len(chaos.hits)} kills")
        with chaos.supervised(), shown:
            chaos.strike(KILLS)
            figures.note("taken when the last kill came", len(provider.told))
            saying.wait(LONGEST_SECONDS)
            own.kuvert.database.close()  # what a database that was crashed has cut
            ledgers.settle(own, QUIET_SECONDS, provider)

        figures.note("hits", dict(Counter(chaos.hits)))
        figures.note("ended by themselves, and started again", dict(Counter(chaos.revived)))
        figures.exactly("kinds of victims hit", set(chaos.hits), {*VICTIMS, *others})
        figures.note("answers, by status", by_status(senders.answers))
        _judge_waits(figures, senders.answers, outages)
        _judge_ledgers(figures, own, provider)
    figures.check()


def _judge_waits(
    figures: Figures, answers: Sequence[Answer], outages: Sequence[tuple[float, float]]
) -> None:
    """Judge how long senders waited while there was no broker."""
    during = [one for one in answers if any(a <= one.began and one.ended <= b for a, b in outages)]
    figures.note("seconds without a broker", sum(b - a for a, b in outages))
    figures.note("answers meanwhile, by status", by_status(during))
    p99 = statistics.quantiles([one.seconds for one in during], n=100)[-1]
    figures.most("p99 meanwhile, s", p99, P99_SECONDS)


def _judge_ledgers(figures: Figures, own: Desk, provider: Provider) -> None:
    """Compare what senders were answered with what was stored, applied and written."""
    rows = _stored(own)
    figures.exactly("answered 2xx", len(provider.told), COUNT)
    lost = set(provider.told.values()) - {str(row.id) for row in rows}
    figures.exactly("answered 2xx and lost", len(lost), 0)
    figures.exactly("stored", len(rows), COUNT)
    states = dict(Counter(row.state for row in rows))
    figures.exactly("states", states, {"applied": INVOICES, "ignored": COUNT - INVOICES})
    figures.exactly("statuses", set(own.statuses("chatty").values()), {"delivered"})
    written, changed = (_written(own, is_change=is_change) for is_change in (False, True))
    figures.exactly("invoices with other than 4 rows", _others(written, len(WORDS)), 0)
    figures.exactly("invoices with other than one change", _others(changed, 1), 0)
    figures.exactly("invoices told of", (len(written), len(changed)), (INVOICES, INVOICES))


def _others(counts: Sequence[int], wanted: int) -> int:
    return sum(count != wanted for count in counts)


def _stored(own: Desk) -> list[Row[Any]]:
    with own.kuvert.database.single() as connection:
        return list(connection.execute(select(CALLBACKS.c.id, CALLBACKS.c.state)))


def _written(own: Desk, *, is_change: bool) -> list[int]:
    """Count by invoice what callbacks have written into the history; only what changed it."""
    columns = EVENTS.c
    mine = columns.cause == "callback"
    if is_change:
        mine &= columns.to_status != columns.from_status
    statement = select(func.count()).where(mine).group_by(columns.invoice_id)
    with own.kuvert.database.single() as connection:
        return list(connection.scalars(statement))
