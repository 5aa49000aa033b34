"""The index for searching parts of words, where Kuvert's role may not make it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

from core import migrations
from core.database import Database
from core.database.postgresql import PostgresqlDatabase
from tests.support.data import missing
from tests.support.databases import SERVERS, _require, _run, new_database
from tests.support.owned import new_name

INDEX = "ix_documents_search"


@pytest.fixture
def url() -> Iterator[str]:
    """An empty database whose role may make tables in it, but nothing of the database itself."""
    server, always_there, name = SERVERS["postgresql"]
    admin = create_engine(f"{server}/{always_there}", isolation_level="AUTOCOMMIT")
    _require(admin, name)
    own = new_name()
    _run(admin, f"CREATE ROLE {own} LOGIN")
    _run(admin, f"CREATE DATABASE {own}")
    inside = create_engine(f"{server}/{own}", isolation_level="AUTOCOMMIT")
    _run(inside, f"GRANT ALL ON SCHEMA public TO {own}")
    inside.dispose()
    yield f"{server.replace('root@', f'{own}@')}/{own}"
    _run(admin, f"DROP DATABASE {own} WITH (FORCE)")
    _run(admin, f"DROP ROLE {own}")
    admin.dispose()


def test_a_role_that_may_not_make_it_is_told_and_goes_on(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(url)
    try:
        migrations.upgrade(database)

        with database.single() as connection:
            assert migrations.current(connection) == migrations.head()
            assert migrations.differences(connection) == []
            assert not database.has_index(connection, INDEX)
    finally:
        database.close()
    [told] = [record.getMessage() for record in caplog.records if "no index" in record.msg]
    assert "CREATE EXTENSION pg_trgm" in told
    assert f"CREATE INDEX {INDEX}" in told


def test_one_that_was_made_by_hand_is_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    with new_database("postgresql", tmp_path_factory.mktemp("index")) as (url, _):
        database = Database(url)
        try:
            with database.single() as connection:
                if not database.has_index(connection, INDEX):
                    missing("pg_trgm", "install postgresql-contrib")
                assert isinstance(database, PostgresqlDatabase)
                database._indexes.clear()
                connection.exec_driver_sql(f"ALTER INDEX {INDEX} RENAME TO away")
                assert not database.has_index(connection, INDEX)
                connection.exec_driver_sql(f"ALTER INDEX away RENAME TO {INDEX}")
                assert database.has_index(connection, INDEX)
        finally:
            database.close()
