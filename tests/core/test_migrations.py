"""The schema: up, down, up again, and as the models have it, on each engine."""

from pathlib import Path

import pytest
from sqlalchemy import inspect

from core import migrations
from core.database import Database
from tests.support.databases import ENGINES, new_database

HEAD = migrations.head()


@pytest.mark.parametrize("engine_name", ENGINES)
def test_the_schema_goes_up_and_down(engine_name: str, tmp_path: Path) -> None:
    with new_database(engine_name, tmp_path) as (url, _):
        database = Database(url)
        try:
            with database.single() as connection:
                assert migrations.current(connection) == HEAD
                assert migrations.differences(connection) == []

            migrations.downgrade(database, "base")

            assert inspect(database.engine).get_table_names() == ["alembic_version"]
            with database.single() as connection:
                assert migrations.current(connection) is None
            migrations.upgrade(database)
            migrations.upgrade(database)
            with database.single() as connection:
                assert migrations.current(connection) == HEAD
                assert migrations.differences(connection) == []
        finally:
            database.close()
