"""What the tables look like at a revision, whatever the models of this code say.

The migrations are run on an empty SQLite database in memory, and what they have made is read: so a
backup can be taken before an upgrade and restored after it, on any engine.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    CHAR,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Uuid,
    func,
    select,
)
from sqlalchemy.types import TypeEngine

from core import migrations
from core.database import Database
from core.types import LongBytes, LongText, UtcDateTime

LEFT_OUT = ("heartbeats",)
"""Tables that say what runs at this moment, which a backup cannot know."""

VERSIONS = "alembic_version"


@dataclass(frozen=True, slots=True)
class Shape:
    """The tables of a revision, those that others refer to first.

    `seeded`: how many rows the migrations themselves put in.
    """

    revision: str
    tables: Mapping[str, Table]
    seeded: Mapping[str, int]


@cache
def shape(revision: str) -> Shape:
    """Return the shape of a revision that this code knows."""
    scratch = Database("sqlite://")
    try:
        with _quietly():
            migrations.upgrade(scratch, revision)
        found = MetaData()
        with scratch.engine.connect() as connection:
            found.reflect(connection)
            tables = [table for table in found.sorted_tables if table.name != VERSIONS]
            counts = {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in tables
            }
    finally:
        scratch.close()
    for table in tables:
        for column in table.c:
            _set_type(column)
    kept = {table.name: table for table in tables if table.name not in LEFT_OUT}
    return Shape(revision, kept, counts)


def all_names(*revisions: str) -> list[str]:
    """Return every table of ours at these revisions, those that refer to others first."""
    names: dict[str, None] = {}
    for revision in revisions:
        names |= dict.fromkeys(reversed(list(shape(revision).seeded)))
    return list(names)


def kind_of(column: Column[Any]) -> str:
    """Return how the values of a column are written: `uuid`, `time`, `date`, `bytes` and so on."""
    return str(column.info["kind"])


_KINDS: Mapping[str, type[Any]] = {
    "uuid": CHAR,
    "time": DateTime,
    "date": Date,
    "json": JSON,
    "boolean": Boolean,
    "integer": Integer,
    "float": Float,
    "bytes": LargeBinary,
    "text": String,
}
"""Kind → the type that SQLite has it as; the first that fits counts."""


def _set_type(column: Column[Any]) -> None:
    """Give a column the type that reads and writes the same values on every engine."""
    kind = next((kind for kind, type_ in _KINDS.items() if isinstance(column.type, type_)), None)
    if kind is None:
        raise TypeError(f"{column} has a type that no backup knows: {column.type!r}")
    types: dict[str, TypeEngine[Any]] = {
        "uuid": Uuid(),
        "time": UtcDateTime(),
        "date": Date(),
        # An empty column stays empty; JSON would write the word null.
        "json": JSON(none_as_null=bool(column.nullable)),
        "boolean": Boolean(),
        "integer": BigInteger(),
        "float": Float(),
        "bytes": LongBytes,
        "text": LongText,
    }
    column.info["kind"] = kind
    column.type = types[kind]


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep Alembic from telling of migrations that nobody asked for."""
    logger = logging.getLogger("alembic.runtime.migration")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
