"""P1, P2 and P3: 10,000 invoices while everything is killed in turn, broker and database too."""

import os
import time
from collections import Counter
from contextlib import ExitStack

import pytest

from tests.end_to_end import ledgers
from tests.end_to_end.test_faults import Run, run_with_faults
from tests.faults.figures import Figures
from tests.faults.stage import Stage

pytestmark = [pytest.mark.processes, pytest.mark.storm]

SEED = int(os.environ.get("STORM_SEED", "1"))
EACH = 5000
KILLS = 50
SECONDS = 240
QUIET_SECONDS = 600


def test_ten_thousand_invoices_while_everything_is_killed(stage: Stage) -> None:
    figures = Figures(f"P1 to P3, {2 * EACH:,} invoices, {KILLS} kills, seed {SEED}")
    how = {"seed": SEED, "count": EACH, "kills": KILLS, "seconds": SECONDS}
    others = stage.crashes()
    began = time.monotonic()
    with ExitStack() as stack:
        run = run_with_faults(stack, stage.desk, **how, others=others, quiet_seconds=QUIET_SECONDS)
        figures.note("seconds until all was quiet", time.monotonic() - began)
        figures.note("hits", dict(Counter(run.chaos.hits)))
        figures.note("ended by themselves, and started again", dict(Counter(run.chaos.revived)))
        for code in run.sides:
            _judge(figures, run, code)
    statuses = run.desk.statuses("deaf")
    figures.exactly("honest: not delivered", _other_than(run, "honest", {"delivered"}), 0)
    figures.exactly("deaf: neither sent nor unknown", _other_than(run, "deaf", TOLD), 0)
    accepted = run.sides["deaf"].submitter.accepted
    sent = {number for number, key in accepted.items() if statuses[key] == "sent"}
    unclear = ledgers.unclear_numbers(run.desk)
    figures.exactly("deaf: said sent, and the provider has it not", len(sent - _has(run)), 0)
    figures.exactly("deaf: said sent though unclear", len(sent & unclear), 0)
    figures.check()


TOLD = {"sent", "unknown"}


def _judge(figures: Figures, run: Run, code: str) -> None:
    side, statuses = run.sides[code], run.desk.statuses(code)
    figures.note(f"{code}: statuses", dict(Counter(statuses.values())))
    figures.exactly(f"{code}: accepted", len(side.submitter.accepted), EACH)
    figures.exactly(f"{code}: accepted and lost", len(set(side.ids) - set(statuses)), 0)
    figures.exactly(f"{code}: taken twice", len(ledgers.extra_acceptances(side.provider)), 0)
    several = [keys for keys in ledgers.keys_by_number(side.provider).values() if len(keys) > 1]
    figures.exactly(f"{code}: more than one key for an invoice", len(several), 0)
    missing = ledgers.missing_events(run.desk.api(code), side.ids[::10], side.subscriber)
    figures.exactly(f"{code}: events of every tenth not told", len(missing), 0)


def _has(run: Run) -> set[str]:
    return set(run.sides["deaf"].provider.acceptances)


def _other_than(run: Run, code: str, wanted: set[str]) -> int:
    return sum(status not in wanted for status in run.desk.statuses(code).values())
