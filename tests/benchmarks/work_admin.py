"""The invoice list of the admin over 1,000,000 invoices, beside Flask-Admin's own.

Both are asked over one kept connection, in turns; what counts is the median of the time until the
last byte of the page. Both are one gunicorn process with the same options. Both
show 20 rows as long as nobody sets another number. One difference is to our disadvantage: ours is
asked by somebody who has logged in, theirs has no login.

The first page is asked for five times in a row before it is the other's turn. Their page goes
through a million rows, after which the processor remembers nothing of us: in strict turns, which
stand beside it, much of our time is that, and a desk has no such neighbour. Theirs does not care.

Time on the clock is also time that other work takes from both; beside it stands the processor time
of the web process alone, without that of the database.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import partial

from sqlalchemy import insert

from core.clock import utcnow
from core.database import Database
from core.models import Lease
from core.people import services
from core.people.roles import Role
from core.schedules.lead import BEAT_LEASE
from tests.benchmarks.kuvert import Desk
from tests.benchmarks.processes import (
    ROOT,
    Process,
    busy_seconds,
    children,
    free_port,
    peak_megabytes,
)
from tests.benchmarks.report import Goal, Row, at_most
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import POSTGRES, POSTGRES_USER, Stage, new_database
from tests.benchmarks.visitor import Visitor
from tests.support import million

ROUNDS, FEWER_ROUNDS = 21, 5
"""Of the first page; of the others, which take the other seconds each."""

LAST = f"?page={million.MILLION // 20 - 1}"
SORTED = "?sort=0"
"""By number, in both."""

SEARCH = f"?search={million.number_of(million.MILLION - 7)}"
EXPORT_MB, EXPORT_SECONDS = 200.0, 120.0
EMAIL, PASSWORD = "ann@example.com", "a heron waits by the weir"
OURS, PLAIN, SEARCHABLE = "/admin/invoice/", "/admin/plain/", "/admin/searchable/"
PAGES = (
    ("first page", OURS, PLAIN, 0.1, ROUNDS, 5),
    ("first page in strict turns", OURS, PLAIN, 0.1, ROUNDS, 1),
    ("sorted by number", OURS + SORTED, PLAIN + SORTED, 1.0, FEWER_ROUNDS, 1),
    ("last page", OURS + LAST, PLAIN + LAST, 1.0, FEWER_ROUNDS, 1),
    ("search for a number", OURS + SEARCH, SEARCHABLE + SEARCH, 1.0, FEWER_ROUNDS, 1),
)
"""What is asked of both, which part of the other's time ours may take, in how many rounds, and how
often in a row."""

Place = Callable[[Stage], AbstractContextManager[str]]


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Measure on both engines, each with a database of its own."""
    del desk
    places: dict[str, Place] = {"PostgreSQL": _postgresql, "SQLite": _sqlite}
    return [row for engine, place in places.items() for row in _measured(engine, place, stage)]


@contextmanager
def _postgresql(stage: Stage) -> Iterator[str]:
    with new_database(f"{stage.database}_admin") as name:
        yield f"postgresql+psycopg://{POSTGRES_USER}@{POSTGRES}/{name}"


@contextmanager
def _sqlite(stage: Stage) -> Iterator[str]:
    path = stage.folder / "million.db"
    yield f"sqlite:///{path}"
    for file in stage.folder.glob(f"{path.name}*"):
        file.unlink()


def _measured(engine: str, place: Place, stage: Stage) -> Iterator[Row]:
    what = f"1,000,000 invoices on {engine}:"
    with place(stage) as url, stage.part() as scene:
        environ = {**stage.environ, "KUVERT_DATABASE_URL": url}
        _fill(url, environ)
        ours, process = _start_ours(scene, environ)
        other, plain = _start_plain(scene, environ)
        for name, path, other_path, goal, rounds, each in PAGES:
            sides = partial(ours.get, path), partial(other.get, other_path)
            for side in sides:
                side()
            before = [busy_seconds(children(process.pid)), busy_seconds(children(plain.pid))]
            yield _faster(f"{what} {name}", in_turns(*sides, rounds=rounds, each=each), goal)
            spent = [
                (busy_seconds(children(process.pid)) - before[0]),
                (busy_seconds(children(plain.pid)) - before[1]),
            ]
            per_page = [1000 * seconds / (rounds * each) for seconds in spent]
            yield _faster(f"{what} {name}, processor time of the web process", per_page, None)
        yield from _export(what, ours, process, million.MILLION)


def _fill(url: str, environ: Mapping[str, str]) -> None:
    """Bring the schema up; store the invoices, and somebody who may look at them."""
    migrate = [sys.executable, "manage.py", "db", "upgrade"]
    subprocess.run(migrate, cwd=ROOT, env=environ, check=True, capture_output=True)
    database = Database(url)
    try:
        million.fill(database)
        with database.engine.begin() as connection:
            services.add(connection, EMAIL, Role.VIEWER, PASSWORD)
            connection.execute(insert(Lease).values(**_lead()))
    finally:
        database.close()


def _lead() -> dict[str, object]:
    """Return the lease of a beat that leads, as one does on every desk that works."""
    now = utcnow()
    return {
        "name": BEAT_LEASE,
        "holder": "a beat",
        "token": 1,
        "since": now,
        "until": now + timedelta(days=1),
    }


def _start_ours(scene: Stage, environ: Mapping[str, str]) -> tuple[Visitor, Process]:
    port = free_port()
    arguments = ["manage.py", "web", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
    process = scene.start(f"admin-{port}", arguments, environ)
    process.wait_for_port(port)
    visitor = Visitor(port)
    visitor.log_in(EMAIL, PASSWORD)
    return visitor, process


def _start_plain(scene: Stage, environ: Mapping[str, str]) -> tuple[Visitor, Process]:
    port = free_port()
    arguments = ["-m", "gunicorn", "tests.benchmarks.peers.plain_admin:application"]
    arguments += ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--workers", "1"]
    arguments += ["--threads", "8", "--timeout", "300", "--keep-alive", "15", "--no-control-socket"]
    process = scene.start(f"plain-{port}", arguments, environ)
    process.wait_for_port(port)
    return Visitor(port), process


def _faster(name: str, medians: list[float], goal: float | None) -> Row:
    ours, other = medians
    return Row(
        name=name,
        ours=ours,
        other=other,
        against="Flask-Admin",
        unit="ms",
        goal=goal,
        kind=Goal.AT_MOST,
    )


def _export(what: str, ours: Visitor, process: Process, expected: int) -> Iterator[Row]:
    """Fetch every row as CSV, and look at how large the process has become.

    Raises:
        RuntimeError: it was not all there.
    """
    began = time.perf_counter()
    lines = ours.size(f"{OURS}export/csv/")
    seconds = time.perf_counter() - began
    if lines <= expected:
        raise RuntimeError(f"the export has {lines:,} lines for {expected:,} invoices")
    yield at_most(
        f"{what} export, memory of the web process",
        peak_megabytes(children(process.pid)),
        EXPORT_MB,
        "MB",
    )
    yield at_most(f"{what} export, until its last row", seconds, EXPORT_SECONDS, "s")
