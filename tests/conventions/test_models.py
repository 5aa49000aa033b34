"""House rules of the tables."""

import re
import subprocess
import sys

from flask import Flask

from core import audit, secret_columns
from core.models import Base

MODULES = (
    "status.models",
    "invoices.models",
    "invoices.suppression_models",
    "invoices.letter_models",
    "invoices.report_models",
    "callbacks.models",
    "core.models",
    "core.pause_models",
    "core.audit.models",
    "core.schedules.models",
    "core.people.models",
    "core.retention.models",
    "invoices.hold_models",
)

UNTYPED = """
import importlib, os, sys
import sqlalchemy.orm  # once for all of them
for module in sys.argv[1:]:
    if os.fork():
        os.wait()
        continue
    importlib.import_module(module)
    from core.models import Base
    columns = (column for table in Base.metadata.tables.values() for column in table.c)
    print(module, [str(column) for column in columns if column.type._isnull])
    break
"""
"""Imports each module in a process of its own and says which columns have no type then."""

NOT_AUDITED = {
    "leases": "no configuration",
    "heartbeats": "no configuration",
    "audit_entries": "the audit itself",
    "schedule_changes": "append-only",
    "schedule_runs": "a ledger",
    "idempotency_records": "first answers",
    "history_passes": "never there when a transaction has ended; its run is audited",
    "history_gaps": "counts what a run, which is audited, has removed",
    "invoices": "its history is status_events",
    "documents": "immutable",
    "deliveries": "its history is status_events and attempts",
    "attempts": "a ledger",
    "bulk_acts": "says who and why itself; the history of each invoice has it too",
    "bulk_items": "a ledger",
    "reports": "made by the timer, and made again alike",
    "report_mails": "a ledger; says itself who asked",
    "status_events": "append-only",
    "pushes": "its history is push_attempts",
    "push_attempts": "append-only",
    "callbacks": "kept as they came",
    "suppressions": "made by bounces; says itself who added or released it and why",
    "mailbox_progress": "how far a mailbox was read",
    "login_failures": "counted by the login itself",
}
"""Tables whose changes leave no entry in the audit, and why not."""


TELLING = re.compile(
    "passw|secret|token|key|totp|recover|credential|uniquifier|handle|sha256|auth|private|salt",
    re.IGNORECASE,
)
NO_SECRET = {
    "leases.token": "a number that grows with each holder of a lease",
    "lease_token": "a name for one run of a pump, good for nothing outside of it",
    "body_sha256": "of what came from outside",
    "conflict_sha256": "of what came from outside",
    "documents.sha256": "of a document that staff may see",
    "dedupe_key": "the provider's own id of a message",
    "mail_key": "a hash of a mail that staff may see",
    "idempotency_records.key": "an id that a source has chosen for its request",
    "seller_key": "the seller's name, without case and spacing",
    "auth_ref": "says where a secret is, not which",
    "callback_secret_refs": "say where secrets are, not which",
    "secret_numbers": "which of the derived secrets count",
    "old_secret_until": "a time",
    "password_changed_at": "a time",
}
"""Columns, of one table or of every, that sound like a secret, and why they are none."""


def test_a_column_that_sounds_like_a_secret_is_one_or_says_why_not(app: Flask) -> None:
    """It is in `core.secret_columns`, or in NO_SECRET."""
    silent = [
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.c
        if TELLING.search(column.name)
        and column.name not in secret_columns.of(table)
        and not {column.name, f"{table.name}.{column.name}"} & set(NO_SECRET)
    ]
    assert silent == []


def test_the_list_of_secret_columns_names_real_ones(app: Flask) -> None:
    for name, columns in secret_columns.SECRET.items():
        assert columns <= set(Base.metadata.tables[name].c.keys())


def test_every_table_is_audited_or_says_why_not(app: Flask) -> None:
    """`audit.register(…)` beside the model, or a line in NOT_AUDITED."""
    audited = {table.name for table in audit.watched}

    assert audited & set(NOT_AUDITED) == set()
    assert set(Base.metadata.tables) - audited - set(NOT_AUDITED) == set()


def test_every_column_has_its_type_as_soon_as_its_module_is_imported() -> None:
    """Alone in its process: with all tables at hand, foreign keys would lend their types."""
    done = subprocess.run(
        [sys.executable, "-c", UNTYPED, *MODULES], capture_output=True, text=True, check=False
    )

    assert done.stdout.splitlines() == [f"{module} []" for module in MODULES], done.stderr
