"""House rules of the tables."""

import subprocess
import sys

import pytest
from flask import Flask

from core import audit
from core.models import Base

MODULES = (
    "status.models",
    "invoices.models",
    "callbacks.models",
    "core.models",
    "core.audit.models",
    "core.schedules.models",
    "core.people.models",
)

NOT_AUDITED = {
    "leases": "no configuration",
    "heartbeats": "no configuration",
    "audit_entries": "the audit itself",
    "schedule_changes": "append-only",
    "schedule_runs": "a ledger",
    "idempotency_records": "first answers",
    "invoices": "its history is status_events",
    "documents": "immutable",
    "deliveries": "its history is status_events and attempts",
    "attempts": "a ledger",
    "reports": "made by the timer, and made again alike",
    "status_events": "append-only",
    "pushes": "its history is push_attempts",
    "push_attempts": "append-only",
    "callbacks": "kept as they came",
    "mailbox_progress": "how far a mailbox was read",
    "login_failures": "counted by the login itself",
}
"""Tables whose changes leave no entry in the audit, and why not."""


def test_every_table_is_audited_or_says_why_not(app: Flask) -> None:
    """`audit.register(…)` beside the model, or a line in NOT_AUDITED."""
    audited = {table.name for table in audit.watched}

    assert audited & set(NOT_AUDITED) == set()
    assert set(Base.metadata.tables) - audited - set(NOT_AUDITED) == set()


@pytest.mark.parametrize("module", MODULES)
def test_every_column_has_its_type_as_soon_as_its_module_is_imported(module: str) -> None:
    """Alone in its process: with all tables at hand, foreign keys would lend their types."""
    untyped = (
        f"import {module}; from core.models import Base; "
        "print([str(c) for t in Base.metadata.tables.values() for c in t.c if c.type._isnull])"
    )

    done = subprocess.run(
        [sys.executable, "-c", untyped], capture_output=True, text=True, check=False
    )

    assert done.stdout.strip() == "[]", done.stderr
