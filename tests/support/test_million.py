"""That both ways of writing a large desk write the same."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from callbacks.models import Callback
from core.database import Database
from invoices.models import Delivery, Document, Invoice
from status.models import Push, StatusEvent
from tests.support import million, million_sql
from tests.support.databases import new_database

TABLES = [model.__table__ for model in (Invoice, Document, Delivery, StatusEvent, Callback, Push)]
COUNT, SMALL = 4_001, 1_500
INDEXES = {
    "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
    "postgresql": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
}


def filled(engine: str, folder: Path) -> tuple[list[list[Any]], set[str]]:
    """Fill a database of its own; return the rows of its tables, and its indexes."""
    folder.mkdir()
    with new_database(engine, folder) as (url, _):
        database = Database(url)
        million.fill(database, COUNT)
        with database.single() as connection:
            rows = [list(connection.execute(select(one).order_by(one.c.id))) for one in TABLES]
            indexes = set(connection.exec_driver_sql(INDEXES[engine]).scalars())
        database.close()
    return rows, indexes


@pytest.mark.pages
def test_what_the_engine_writes_is_what_python_writes(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine not in INDEXES:
        pytest.skip("MySQL is filled by Python alone")
    by_python, indexes = filled(engine, tmp_path / "python")
    monkeypatch.setattr(million, "PAGE", SMALL)
    monkeypatch.setattr(million_sql, "PAGE", SMALL)

    by_engine, indexes_then = filled(engine, tmp_path / "engine")

    for table, ours, theirs in zip(TABLES, by_python, by_engine, strict=True):
        assert ours == theirs, table.name
    assert len(by_python[0]) == COUNT
    assert indexes_then == indexes
