"""Old entries of the audit go; that they did, stays."""

import pytest
from flask import Flask
from sqlalchemy import delete
from sqlalchemy.exc import DBAPIError

from core.audit.models import AuditEntry
from core.db import reading, unit_of_work
from core.retention import auditing, queries
from tests.support import ageing, desk
from tests.support.console import Console
from tests.support.factories import SourceWithKey

pytestmark = pytest.mark.every_database

ENTRIES = AuditEntry.__table__


def test_old_entries_go_and_the_run_says_so(
    source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "PAGE", 2)
    before = len(desk.rows(ENTRIES))
    limits = ageing.limits()

    with reading() as connection:
        survey = auditing.survey(connection, limits)
    tally = ageing.purge(auditing.KIND)

    assert survey.rows == before > 2
    assert tally.rows >= before
    left = desk.rows(ENTRIES)
    assert {row.kind for row in left} <= {"retention_runs"}
    assert left[-1].after["result"].startswith(f"{tally.rows} rows, ")


def test_the_audit_cannot_be_emptied_by_others(source: SourceWithKey) -> None:
    with pytest.raises(DBAPIError, match="append-only"), unit_of_work() as connection:
        connection.execute(delete(ENTRIES))


def test_whoever_reads_the_audit_is_told(
    app: Flask, source: SourceWithKey, console: Console
) -> None:
    assert "retention" not in console("audit", "list").err

    count = ageing.purge(auditing.KIND).rows

    assert f"Note: {count} rows from before " in console("audit", "list").err
    with reading() as connection:
        assert queries.removed(connection, "events") is None
