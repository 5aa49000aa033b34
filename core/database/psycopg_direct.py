"""Statements that go straight to psycopg: those that run for each request or move many rows.

SQLAlchemy takes as long for such a statement as PostgreSQL does. What differs from it is kept
small: the transaction is the connection's own, and errors come out as SQLAlchemy's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from typing import Any

import psycopg
from sqlalchemy import Connection, Dialect, String, Table
from sqlalchemy.exc import DBAPIError

from core.database.base import Family, Values

Shape = tuple[Table, tuple[str, ...]]
"""A table and the columns that are written."""


@contextmanager
def driver(connection: Connection) -> Iterator[Any]:
    """Give the driver's connection, inside the transaction of `connection`.

    Raises:
        DBAPIError: what the driver raises, as SQLAlchemy would say it.
    """
    raw: Any = connection.connection.dbapi_connection
    if not raw.autocommit and not connection.in_transaction():
        connection.begin()
    try:
        yield raw
    except psycopg.Error as error:
        if raw.closed:
            connection.invalidate(error)
        raise _translated(error, connection, is_cut=raw.closed) from error


def copy(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Write rows that all have the same keys by COPY."""
    names = tuple(rows[0])
    processors = _processors(connection.dialect, table, names)
    with (
        driver(connection) as raw,
        raw.cursor() as cursor,
        cursor.copy(f'COPY "{table.name}" ({_quoted(names)}) FROM STDIN') as target,
    ):
        for row in rows:
            target.write_row(_processed(row, processors))


def insert_family(connection: Connection, table: Table, row: Values, family: Family) -> bool:
    """Insert `row` and its family in one statement; False when it breaks a unique rule."""
    members = [(table, row), *family]
    shapes = tuple((member, tuple(values)) for member, values in members)
    values = [
        value
        for (member, names), (_, written) in zip(shapes, members, strict=True)
        for value in _processed(written, _processors(connection.dialect, member, names))
    ]
    statement = _family_statement(connection.dialect, shapes)
    # A raw cursor: the other kind reads a statement of so many parameters anew each time.
    with driver(connection) as raw, psycopg.RawCursor(raw) as cursor:
        return cursor.execute(statement, values, prepare=True).fetchone() is not None


@lru_cache(maxsize=64)
def _family_statement(dialect: Dialect, shapes: tuple[Shape, ...]) -> str:
    """Build the statement: the first row, and the others from whether it went in."""
    numbers = count(1)
    first, *rest = ((shape, _marks(dialect, shape, numbers)) for shape in shapes)
    parts = [f"new AS ({_insert(first)} VALUES ({first[1]}) ON CONFLICT DO NOTHING RETURNING id)"]
    parts += [
        f"member_{number} AS ({_insert(member)} SELECT {member[1]} FROM new)"  # noqa: S608 - as above
        for number, member in enumerate(rest)
    ]
    return f"WITH {', '.join(parts)} SELECT id FROM new"  # noqa: S608 - our own names


def _insert(member: tuple[Shape, str]) -> str:
    table, names = member[0]
    return f'INSERT INTO "{table.name}" ({_quoted(names)})'


def _marks(dialect: Dialect, shape: Shape, numbers: Iterator[int]) -> str:
    """Write the parameters with their types: in a SELECT, PostgreSQL does not guess them."""
    table, names = shape
    return ", ".join(f"${next(numbers)}::{_type_name(dialect, table, name)}" for name in names)


def _type_name(dialect: Dialect, table: Table, name: str) -> str:
    kind = table.c[name].type
    # A cast to VARCHAR(n) would cut a long text off; as TEXT the column itself refuses it.
    return "TEXT" if isinstance(kind, String) else kind.compile(dialect=dialect)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _processed(row: Values, processors: Sequence[Any]) -> list[object]:
    return [
        value if process is None or value is None else process(value)
        for process, value in zip(processors, row.values(), strict=True)
    ]


@lru_cache(maxsize=64)
def _processors(dialect: Dialect, table: Table, names: tuple[str, ...]) -> list[Any]:
    """Return what turns a Python value into the driver's, per column; None: nothing to do."""
    return [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names]


def _translated(error: psycopg.Error, connection: Connection, *, is_cut: bool) -> BaseException:
    return DBAPIError.instance(
        None,
        None,
        error,
        psycopg.Error,
        hide_parameters=True,
        connection_invalidated=is_cut,
        dialect=connection.dialect,
    )
