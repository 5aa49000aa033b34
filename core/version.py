"""Which Kuvert this is."""

from functools import cache
from pathlib import Path

VERSION = "0.1.0"
"""As in pyproject.toml."""

_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations" / "versions"


@cache
def running() -> str:
    """Return the version with the newest revision it knows, such as `0.1.0/0019`.

    By the files' names: a worker does without Alembic.
    """
    newest = max(path.name.split("_")[0] for path in _MIGRATIONS.glob("[0-9]*.py"))
    return f"{VERSION}/{newest}"
