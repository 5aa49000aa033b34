"""House rules of the tables."""

import subprocess
import sys

import pytest

MODULES = (
    "status.models",
    "invoices.models",
    "callbacks.models",
    "core.models",
    "core.schedules.models",
    "core.people.models",
)


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
