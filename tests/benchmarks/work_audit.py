"""What the audit costs statements on tables that it does not watch: the hot ones."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing

from sqlalchemy import Connection, Executable, select, update

from core import audit
from core.clock import utcnow
from core.database import Database
from core.ids import new_id
from invoices.access import KEYS
from invoices.models import Delivery, Provider
from tests.benchmarks.kuvert import Desk
from tests.benchmarks.report import Goal, Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage

DELIVERIES = Delivery.__table__
PROVIDERS = Provider.__table__
COUNT, ROUNDS = 300, 51
"""Short turns, many of them: the difference is small, and the machine does other things."""

Open = Callable[[], AbstractContextManager[Connection]]

UPDATE = update(DELIVERIES).where(DELIVERIES.c.id == new_id()).values(due_at=utcnow())
FAILURES = update(PROVIDERS).where(PROVIDERS.c.id == new_id()).values(failures=1)
KEY = select(KEYS.c.id).where(KEYS.c.prefix == "0" * 12)


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Run the same statements with and without the audit listening."""
    url = stage.environ["KUVERT_DATABASE_URL"]
    return compare(Database(url), Database(url))


def compare(listening: Database, plain: Database) -> list[Row]:
    """Compare two handles of one database by our processor's time per statement; close them.

    The engine's own time is the same on both sides and would only hide ours.
    """
    audit.listen(listening)
    with closing(listening), closing(plain):
        return [
            _row("an UPDATE of a delivery", listening.engine.begin, plain.engine.begin, UPDATE),
            _row("a count of a failure", listening.engine.begin, plain.engine.begin, FAILURES),
            _row("a look at a key", listening.single, plain.single, KEY),
        ]


def _row(name: str, listening: Open, plain: Open, statement: Executable) -> Row:
    with listening() as one, plain() as another:
        ours, other = in_turns(
            lambda: _microseconds(lambda: one.execute(statement).close()),
            lambda: _microseconds(lambda: another.execute(statement).close()),
            rounds=ROUNDS,
        )
    return _at_most(f"{name}, audit listening", ours, other, "not listening", 1.1)


def _at_most(name: str, ours: float, other: float, against: str, most: float) -> Row:
    return Row(
        name=name,
        ours=ours,
        other=other,
        against=against,
        unit="µs",
        goal=most,
        kind=Goal.AT_MOST,
    )


def _microseconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(COUNT):
        work()
    return (time.process_time() - began) / COUNT * 1e6
