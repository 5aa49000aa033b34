"""A PostgreSQL that says nothing: long statements go on, those that nobody serves end."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import OperationalError

from core.database import Database, psycopg_silence
from core.database.silence import ASKING_SECONDS
from core.outages import Outage, outage
from tests.support.databases import new_database
from tests.support.processes import wait_until
from tests.support.proxy import Proxy

PATIENCE = 0.2


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psycopg_silence, "PATIENCE_SECONDS", PATIENCE)


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with new_database("postgresql", tmp_path_factory.mktemp("silent")) as (url, _):
        yield url


@pytest.fixture
def way(direct: str) -> Iterator[tuple[Proxy, Database]]:
    """A way that can fall silent, and a database behind it."""
    with ExitStack() as stack:
        url = make_url(direct)
        proxy = stack.enter_context(Proxy("127.0.0.1", url.port or 5432))
        database = Database(url.set(port=proxy.port))
        stack.callback(database.close)
        yield proxy, database


def engines(database: Database) -> tuple[Engine, Engine]:
    return database.engine, database.singles


def test_a_long_statement_goes_on(way: tuple[Proxy, Database]) -> None:
    for engine in engines(way[1]):
        with engine.connect() as connection:
            slow = text("SELECT 'done' FROM pg_sleep(1)")

            assert connection.scalar(slow) == "done"
            assert connection.scalar(text("SELECT 2")) == 2


def test_rows_come_whole_over_pauses(way: tuple[Proxy, Database]) -> None:
    slowly = "SELECT n, repeat('x', 5000) FROM generate_series(1, 200) n, pg_sleep(0.005 + n * 0)"
    with way[1].engine.connect() as connection:
        found = connection.execute(text(slowly)).all()

    assert [row[0] for row in found] == list(range(1, 201))


@pytest.mark.parametrize("which", [0, 1])
def test_a_statement_ends_where_nobody_answers(way: tuple[Proxy, Database], which: int) -> None:
    proxy, database = way
    with engines(database)[which].connect() as connection:
        connection.execute(text("SELECT 1"))
        began = monotonic()
        with proxy.silent(), pytest.raises(OperationalError) as caught:
            connection.execute(text("SELECT 1"))

    assert monotonic() - began < PATIENCE + ASKING_SECONDS + 1
    assert "the server is silent" in str(caught.value)
    assert outage(caught.value) is Outage.AWAY
    wait_until(lambda: answers(database), ASKING_SECONDS + 2, "the server is found again")


def test_what_the_server_keeps_for_a_lost_connection_is_let_go(
    way: tuple[Proxy, Database], direct: str
) -> None:
    proxy, database = way
    with database.engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(1)"))
        with proxy.silent():
            pass

        with pytest.raises(OperationalError, match="does not work for this connection"):
            connection.execute(text("SELECT 1"))

    other = Database(direct)
    with other.single() as connection:
        assert connection.scalar(text("SELECT pg_try_advisory_lock(1)"))
    other.close()


def test_where_the_server_knows_nothing_of_us_it_takes_longer(
    way: tuple[Proxy, Database], direct: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psycopg_silence, "LONGEST_SECONDS", 1.0)
    proxy, database = way
    other = Database(direct)
    with database.engine.connect() as connection, other.single() as beside:
        own = connection.scalar(text("SELECT pg_backend_pid()"))
        with proxy.silent():
            pass
        beside.execute(text("SELECT pg_terminate_backend(:own)"), {"own": own})
        began = monotonic()

        with pytest.raises(OperationalError, match="does not work for this connection"):
            connection.execute(text("SELECT 1"))

    assert 1.0 < monotonic() - began < 3
    other.close()


def test_others_are_served_while_one_waits(way: tuple[Proxy, Database], tmp_path: Path) -> None:
    answers: list[object] = []

    def wait() -> None:
        with way[1].single() as connection:
            answers.append(connection.scalar(text("SELECT 'slow' FROM pg_sleep(1)")))

    thread = threading.Thread(target=wait)
    thread.start()
    with way[1].single() as connection:
        answers.append(connection.scalar(text("SELECT 'quick'")))
    thread.join()

    assert answers == ["quick", "slow"]


def test_everybody_is_told_at_once_that_a_server_is_silent(way: tuple[Proxy, Database]) -> None:
    proxy, database = way
    with proxy.silent():
        first, *others = [taken(database) for _ in range(4)]

    # Who asks anew waits for longer than a second.
    assert first > 1
    assert max(others) < 1, others
    wait_until(lambda: answers(database), ASKING_SECONDS + 2, "the server is found again")


def answers(database: Database) -> bool:
    try:
        with database.single() as connection:
            return bool(connection.scalar(text("SELECT 1")))
    except OperationalError:
        return False


def taken(database: Database) -> float:
    """Return how long it takes to be told that nobody answers."""
    began = monotonic()
    with pytest.raises(OperationalError), database.single():
        pass
    return monotonic() - began
