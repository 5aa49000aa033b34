"""The schedules that are there from the start."""

from pathlib import Path

import pytest
from sqlalchemy import select

from core.database import Database
from core.schedules.rows import SCHEDULES
from tests.support.databases import ENGINES, new_database

SEED = {
    "get-all-ready-to-send-invoices": ("tasks.getActiveInvoices", 300),
    "get-due-callbacks": ("tasks.getDueCallbacks", 60),
    "get-due-statuses": ("tasks.getDueStatuses", 60),
    "get-failed-callbacks-emails": ("tasks.checkEmailInbox", 900),
    "purge-expired": ("tasks.purgeExpired", "30 1-4 * * *"),
    "get-total-invoices": ("tasks.getTotalInvoices", "0 23 * * 1"),
}


@pytest.mark.parametrize("engine_name", ENGINES)
def test_the_migrations_enter_the_built_in_schedules(engine_name: str, tmp_path: Path) -> None:
    with new_database(engine_name, tmp_path) as (url, _):
        database = Database(url)
        with database.single() as connection:
            rows = connection.execute(select(SCHEDULES)).all()
        database.close()

    found = {row.name: (row.task, row.every_seconds or row.crontab) for row in rows}
    assert found.items() >= SEED.items()
    assert {(row.origin, row.is_enabled) for row in rows} == {("builtin", True)}
