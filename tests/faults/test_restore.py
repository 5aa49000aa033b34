"""P19: a desk that is put back to an older backup sends nothing again by itself."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.end_to_end.desk import Desk, desk
from tests.end_to_end.ledgers import extra_acceptances
from tests.faults.figures import Figures
from tests.faults.test_database_down import is_quiet
from tests.support.provider import Provider

pytestmark = [pytest.mark.processes, pytest.mark.storm]

PAUSED_SECONDS = 15
NAMES = ("web", "worker", "beat")


@pytest.fixture
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A desk on the engine that is asked for."""
    with desk(request.param, tmp_path, *NAMES) as running:
        yield running


def manage(own: Desk, *arguments: str) -> str:
    """Run a command that must end well; returns what it said."""
    done = own.kuvert.manage(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stop_all(own: Desk) -> None:
    for name in reversed(NAMES):
        own.kuvert.children[name].stop()


@pytest.mark.parametrize(
    ("own", "count"),
    [
        ("postgresql", 500),
        ("mysql", 500),
        ("sqlite", 500),
    ],
    indirect=["own"],
)
def test_a_restore_sends_nothing_by_itself_and_nothing_twice(own: Desk, count: int) -> None:
    figures = Figures(f"P19, {own.backend}: restored to a backup from the midst of {count} each")
    file = str(own.kuvert.folder / "before.zip")
    with ExitStack() as stack:
        honest = stack.enter_context(Provider("honest", seconds=0.1))
        deaf = stack.enter_context(Provider("deaf", honours_key=False, seconds=0.05))
        both = (honest, deaf)
        own.add(*both, sources={item.code: item.code for item in both}, concurrency=2)
        for item in both:
            _hand_over(own, item.code, range(count))
        own.expect(
            lambda: all(len(item.requests) > count // 10 for item in both), 60, "both are under way"
        )
        manage(own, "backup", file)
        for item in both:
            _hand_over(own, item.code, range(count, count + count // 4))
        for item in both:
            figures.exactly(f"{item.code}: quiet before", is_quiet(own, item, 300), True)
        before = {item.code: dict(item.acceptances) for item in both}

        stop_all(own)
        own.kuvert.database.close()  # ours: SQLite's file must be in nobody's hands
        manage(own, "restore", file, "--force")
        own.kuvert.start_all("worker", "beat", "web")
        asked = {item.code: len(item.requests) for item in both}
        new = own.send("honest", "honest-after")
        time.sleep(PAUSED_SECONDS)
        more = sum(len(item.requests) - asked[item.code] for item in both)
        figures.exactly(f"sent within {PAUSED_SECONDS} s of the restore", more, 0)
        _look_at_the_list(figures, own)

        print(manage(own, "dispatch", "resume", "--reason", "looked at what the providers have"))
        for item in both:
            figures.exactly(f"{item.code}: quiet again", is_quiet(own, item, 300), True)
        own.wait_for("honest", new, "sent", 60)

    again = len(honest.requests) - asked["honest"]
    figures.note("honest: asked again with the same keys, and one new", again)
    for item in both:
        figures.exactly(f"{item.code}: accepted twice", len(extra_acceptances(item)), 0)
        gone = set(before[item.code]) - set(item.acceptances)
        figures.exactly(f"{item.code}: lost from the ledger", len(gone), 0)
    figures.exactly("deaf: sent again", len(deaf.requests) - asked["deaf"], 0)
    figures.note("honest: statuses", dict(Counter(own.statuses("honest").values())))
    statuses = Counter(own.statuses("deaf").values())
    figures.exactly("deaf: neither sent nor unknown", set(statuses) - {"sent", "unknown"}, set())
    figures.note("deaf: statuses", dict(statuses))
    figures.check()


def _hand_over(own: Desk, code: str, numbers: range) -> None:
    for start in range(numbers.start, numbers.stop, 100):
        part = range(start, min(start + 100, numbers.stop))
        own.send_batch(code, [f"{code}-{n:05}" for n in part])


def _look_at_the_list(figures: Figures, own: Desk) -> None:
    """Compare what `dispatch status` lists with what waits in the database."""
    listed = json.loads(manage(own, "dispatch", "status", "--list", "--limit", "100000", "--json"))
    open_ones = {"ready", "sending", "retry_wait", "unknown"}
    waiting = Counter(status for status in own.statuses("deaf").values() if status in open_ones)
    in_doubt = [row for row in listed["in_flight"] if row["provider"] == "deaf"]
    figures.note("deaf: open after the restore", dict(waiting))
    figures.exactly("deaf: listed", len(in_doubt), sum(waiting.values()))
