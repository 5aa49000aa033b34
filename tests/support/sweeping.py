"""Taking away the databases that killed runs of the tests have left on a server, or in memory.

One that somebody is connected to is let be, whoever made it.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import Connection, Engine, text

from tests.support.owned import stale

LOCK: Mapping[str, str] = MappingProxyType(
    {
        "postgresql": "SELECT pg_try_advisory_lock(hashtext('kuvert tests'))",
        "mysql": "SELECT GET_LOCK('kuvert tests', 0)",
    }
)
UNUSED: Mapping[str, str] = MappingProxyType(
    {
        "postgresql": "SELECT datname FROM pg_database"
        " WHERE datname NOT IN (SELECT datname FROM pg_stat_activity WHERE datname IS NOT NULL)",
        "mysql": "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN"
        " (SELECT db FROM information_schema.processlist WHERE db IS NOT NULL)",
    }
)
ROLES = "SELECT rolname FROM pg_roles"

_swept: set[str] = set()


def sweep_once(engine: str, admin: Engine) -> None:
    """Sweep a server, unless this process has done so."""
    where = str(admin.url)
    if where not in _swept:
        _swept.add(where)
        sweep(engine, admin)


def sweep(engine: str, admin: Engine) -> bool:
    """Drop what is stale on a server; False where another run is just doing so."""
    with admin.connect() as connection:
        connection.detach()  # the lock ends with the connection
        if not connection.scalar(text(LOCK[engine])):
            return False
        for name in stale(connection.scalars(text(UNUSED[engine]))):
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
        if engine == "postgresql":
            _sweep_roles(connection)
    return True


def _sweep_roles(connection: Connection) -> None:
    """Drop roles, each of which is called as the database that was made for it."""
    kept = set(connection.scalars(text("SELECT datname FROM pg_database")))
    for name in stale(connection.scalars(text(ROLES))):
        if name not in kept:
            connection.exec_driver_sql(f"DROP ROLE IF EXISTS {name}")


def sweep_folder(folder: Path) -> None:
    """Remove the folders of SQLite's files that are stale."""
    for name in {entry.name for entry in folder.glob("kuvert_test_*")} - _swept:
        _swept.add(name)
        if stale([name]):
            shutil.rmtree(folder / name, ignore_errors=True)  # another run may be at it too
