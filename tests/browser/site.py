"""Kuvert's web process as production runs it, over a database of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import StorageState
from sqlalchemy import Table, select

from callbacks.models import Callback
from core.database import Database
from core.people.roles import Role
from core.schedules.models import ScheduleRun
from invoices.models import Invoice
from status.models import Push
from tests.support.databases import new_database
from tests.support.processes import Installation
from tests.support.provider import SECRET
from tests.support.strings import formulas, naughty

ENGINES = ("sqlite", "postgresql")
STATEFUL: tuple[Table, ...] = (
    Invoice.__table__,
    Callback.__table__,
    Push.__table__,
    ScheduleRun.__table__,
)


@dataclass
class Site:
    """An installation that serves pages.

    `filled` are the states that rows had when it was new, by table; `sessions` keeps what browsers
    that logged in hold; `taken` are the numbers of invoices that a test has changed.
    """

    kuvert: Installation
    engine: str
    filled: dict[str, set[str]] = field(default_factory=dict)
    sessions: dict[Role, StorageState] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        """Where it is, by the name that passkeys need: they take no address."""
        return f"http://localhost:{self.kuvert.port}"

    def add_user(self, email: str, role: Role = Role.OPERATOR) -> str:
        """Add somebody with the usual password; returns the mail address."""
        self.kuvert.furnish(users={email: role})
        return email

    def work(self) -> None:
        """Have a worker and beat too; they stay until the site ends."""
        missing = [name for name in ("worker", "beat") if name not in self.kuvert.children]
        self.kuvert.start_all(*missing)


def _states(database: Database, table: Table) -> set[str]:
    column = table.c["status" if "status" in table.c else "state"]
    with database.single() as connection:
        return set(connection.scalars(select(column).distinct()))


@contextmanager
def serving(engine: str, folder: Path, **settings: str) -> Iterator[Site]:
    """Yield a site with something of everything; web has started, its queue is a folder."""
    with new_database(engine, folder) as (url, _):
        more = {"KUVERT_ENVIRONMENT": "test", "TEST_CALLBACK_SECRET": SECRET, **settings}
        with Installation(folder, url, None, **more) as kuvert:
            own = Site(kuvert, engine)
            kuvert.give(KUVERT_PUBLIC_URL=own.origin)
            kuvert.fill([*naughty(), *formulas()])
            own.filled = {table.name: _states(kuvert.database, table) for table in STATEFUL}
            kuvert.start_all("web")
            yield own
