"""Filling a database anew, so that what was there is replaced as a whole or not at all."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect

if TYPE_CHECKING:
    from core.database.base import Database


@dataclass(frozen=True, slots=True)
class Rebuild:
    """An empty database that is being filled over `connection`.

    Each set of writes stands in a `step()`: a transaction where the engine needs several, nothing
    where all is one. Until the end the revision is kept in `version_table`.
    """

    database: "Database"
    connection: Connection
    version_table: str
    step: Callable[[], AbstractContextManager[object]] = nullcontext


@contextmanager
def in_one_transaction(database: "Database", engine: Engine) -> Iterator[Rebuild]:
    """Fill a database whose engine takes back tables that were made in a transaction."""
    with engine.connect().execution_options(kuvert_write=True) as connection, connection.begin():
        yield Rebuild(database, connection, "alembic_version")


def present(connection: Connection, names: Collection[str]) -> list[str]:
    """Return those of `names` that are tables here, in their order."""
    found = set(inspect(connection).get_table_names())
    return [name for name in names if name in found]
