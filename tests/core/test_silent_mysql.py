"""A MySQL or MariaDB that says nothing: long statements go on, those that nobody serves end."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import cycle
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import OperationalError

from core.database import Database, pymysql_silence
from core.database.silence import ASKING_SECONDS
from core.outages import Outage, outage
from tests.support.data import missing
from tests.support.databases import new_database
from tests.support.processes import wait_until
from tests.support.proxy import Proxy

PATIENCE = 0.3
LOCK = "kuvert test"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pymysql_silence, "PATIENCE_SECONDS", PATIENCE)


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with new_database("mysql", tmp_path_factory.mktemp("silent")) as (url, _):
        yield url


@pytest.fixture
def way(direct: str) -> Iterator[tuple[Proxy, Database]]:
    """A way that can fall silent, and a database behind it."""
    with ExitStack() as stack:
        url = make_url(direct)
        proxy = stack.enter_context(Proxy("127.0.0.1", url.port or 3306))
        database = Database(url.set(port=proxy.port))
        stack.callback(database.close)
        yield proxy, database


def test_a_long_statement_goes_on(way: tuple[Proxy, Database]) -> None:
    with way[1].engine.connect() as connection:
        assert connection.scalar(text("SELECT CONCAT('done', SLEEP(1.5))")) == "done0"
        assert connection.scalar(text("SELECT 2")) == 2


def test_rows_come_whole_over_pauses(way: tuple[Proxy, Database]) -> None:
    slowly = (
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 200)"
        " SELECT n, REPEAT('x', 5000), SLEEP(IF(n % 100, 0, 0.8)) FROM n"
    )
    with way[1].engine.connect() as connection:
        found = connection.execute(text(slowly)).all()

    assert [row[0] for row in found] == list(range(1, 201))
    assert {row[1] for row in found} == {"x" * 5000}


def test_a_document_goes_in_and_comes_out_whole(way: tuple[Proxy, Database]) -> None:
    """Larger than what is read at once, and than a packet of the protocol's smallest unit."""
    content = bytes(range(256)) * 20_000
    with way[1].engine.connect() as connection:
        found = connection.scalar(text("SELECT :content"), {"content": content})

    assert found == content


def test_a_statement_ends_where_nobody_answers(way: tuple[Proxy, Database]) -> None:
    proxy, database = way
    with database.engine.connect() as connection:
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
        connection.execute(text("SELECT GET_LOCK(:name, 0)"), {"name": LOCK})
        with proxy.silent():
            pass

        with pytest.raises(OperationalError, match="does not work for this connection"):
            connection.execute(text("SELECT 1"))

    other = Database(direct)
    with other.single() as beside:
        assert beside.scalar(text("SELECT GET_LOCK(:name, 2)"), {"name": LOCK}) == 1
    other.close()


def test_what_was_locked_when_the_server_fell_silent_is_let_go_once_it_is_back(
    way: tuple[Proxy, Database], direct: str
) -> None:
    """It would be kept for eight hours, as the server's own patience is."""
    proxy, database = way
    with database.engine.connect() as connection:
        connection.execute(text("SELECT GET_LOCK(:name, 0)"), {"name": LOCK})
        with proxy.silent(), pytest.raises(OperationalError, match="the server is silent"):
            connection.execute(text("SELECT 1"))

    other = Database(direct)
    with other.single() as beside:
        assert beside.scalar(text("SELECT GET_LOCK(:name, 10)"), {"name": LOCK}) == 1
    other.close()


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"since": -1e9}])
def test_what_is_another_connection_by_now_is_let_be(
    way: tuple[Proxy, Database], change: dict[str, Any]
) -> None:
    """Of another host behind a balancer, or of a server that was started since."""
    with way[1].engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection

        pymysql_silence._let_go(raw.asking, replace(raw.end, **change))

        assert connection.scalar(text("SELECT 1")) == 1


def test_an_idle_transaction_of_a_host_that_is_gone_ends(way: tuple[Proxy, Database]) -> None:
    with way[1].engine.connect() as connection:
        if "MariaDB" not in str(connection.scalar(text("SELECT VERSION()"))):
            missing("MariaDB", "MySQL knows no such bound")
        assert connection.scalar(text("SELECT @@idle_transaction_timeout")) == 60


def test_one_look_that_finds_nobody_at_work_ends_nothing(
    way: tuple[Proxy, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer may be on its way at that moment."""
    looks = cycle([True, False])
    with way[1].engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        monkeypatch.setattr(raw, "_ask", lambda *, is_last: next(looks))

        assert connection.scalar(text("SELECT SLEEP(2)")) == 0
        monkeypatch.setattr(raw, "_ask", lambda *, is_last: False)
        with pytest.raises(OperationalError, match="does not work for this connection"):
            connection.execute(text("SELECT SLEEP(3)"))


def own_number(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT CONNECTION_ID()")) or 0)


def test_where_the_server_knows_nothing_of_us_it_takes_longer(
    way: tuple[Proxy, Database], direct: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pymysql_silence, "LONGEST_SECONDS", 1.0)
    proxy, database = way
    other = Database(direct)
    with database.engine.connect() as connection, other.single() as beside:
        own = own_number(connection)
        with proxy.silent():
            pass
        beside.exec_driver_sql(f"KILL {own}")
        began = monotonic()

        with pytest.raises(OperationalError, match="timed out"):
            connection.execute(text("SELECT 1"))

    assert 1.0 < monotonic() - began < 3
    other.close()


def test_a_statement_may_take_no_longer_than_its_bound(
    way: tuple[Proxy, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pymysql_silence, "LONGEST_SECONDS", 0.5)
    with (
        way[1].engine.connect() as connection,
        pytest.raises(OperationalError, match="timed out"),
    ):
        connection.execute(text("SELECT SLEEP(3)"))


def test_who_is_patient_has_no_bound_until_the_connection_is_given_back(
    way: tuple[Proxy, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pymysql_silence, "LONGEST_SECONDS", 0.5)
    database = way[1]
    with database.engine.connect() as connection:
        database.be_patient(connection)
        assert connection.scalar(text("SELECT SLEEP(1.5)")) == 0
        own = own_number(connection)

    with database.engine.connect() as connection:
        assert own_number(connection) == own
        with pytest.raises(OperationalError, match="timed out"):
            connection.execute(text("SELECT SLEEP(3)"))


def test_others_are_served_while_one_waits(way: tuple[Proxy, Database]) -> None:
    answered: list[object] = []

    def wait() -> None:
        with way[1].single() as connection:
            answered.append(connection.scalar(text("SELECT CONCAT('slow', SLEEP(1))")))

    thread = threading.Thread(target=wait)
    thread.start()
    with way[1].single() as connection:
        answered.append(connection.scalar(text("SELECT 'quick'")))
    thread.join()

    assert answered == ["quick", "slow0"]


def test_everybody_is_told_at_once_that_a_server_is_silent(way: tuple[Proxy, Database]) -> None:
    proxy, database = way
    with proxy.silent():
        first, *others = [taken(database) for _ in range(4)]

    assert 1 < first < 5
    assert max(others) < 0.5, others
    wait_until(lambda: answers(database), ASKING_SECONDS + 2, "the server is found again")


def test_a_server_that_is_away_is_not_silent(direct: str) -> None:
    with ExitStack() as stack:
        url = make_url(direct)
        proxy = stack.enter_context(Proxy("127.0.0.1", url.port or 3306))
        database = Database(url.set(port=proxy.port))
        stack.callback(database.close)
        with proxy.away():
            assert taken(database) < 1
            assert taken(database) < 1

        assert answers(database)


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
