"""Lists as CSV: streamed in pages by id, so that a million rows take no more memory than one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from admin.listing import Names, Reference, Wanted, learn_names, name_of
from core.spreadsheets import harmless, lines

BATCH = 2_000
Connect = Callable[[], AbstractContextManager[Connection]]
"""Opens a connection for one batch; the rows are read after the request itself has ended."""


def rows_of(wanted: Wanted, connect: Connect) -> Iterator[list[Row[Any]]]:
    """Give all rows in batches, the newest first."""
    key = wanted.table.c.id
    columns = [wanted.table.c[name] for name in wanted.columns]
    last = None
    while True:
        clauses = [*wanted.clauses, *([key < last] if last is not None else [])]
        statement = select(*columns).where(*clauses).order_by(key.desc()).limit(BATCH)
        with connect() as connection:
            found = list(connection.execute(statement))
        if found:
            yield found
        if len(found) < BATCH:
            return
        last = found[-1].id


def csv_of(
    wanted: Wanted, heads: Sequence[str], references: dict[str, Reference], connect: Connect
) -> Iterator[str]:
    """Write the columns `heads` of the rows as CSV (RFC 4180), with a line of their names first.

    Ids of other rows are written as what those are called.
    """
    yield lines([list(heads)])
    names: Names = {}
    for rows in rows_of(wanted, connect):
        with connect() as connection:
            learn_names(connection, references, rows, names)
        yield lines([[_value(row, name, references, names) for name in heads] for row in rows])


def _value(row: Row[Any], name: str, references: dict[str, Reference], names: Names) -> object:
    value = row._mapping[name]
    if name in references and value is not None:
        return harmless(name_of(references[name], value, names))
    return harmless(value)


def file_name(list_name: str, at: datetime) -> str:
    """Return the name of the file, such as `invoices-2026-11-22-1403.csv`."""
    return f"{list_name}-{at:%Y-%m-%d-%H%M}.csv"
