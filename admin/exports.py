"""Lists as CSV: streamed in pages by id, so that a million rows take no more memory than one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from admin.listing import Names, Reference, Wanted, learn_names, name_of
from core.spreadsheets import harmless_cells, lines

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
    places = [wanted.columns.index(name) for name in heads]
    called = [(place, references[name]) for place, name in enumerate(heads) if name in references]
    for rows in rows_of(wanted, connect):
        with connect() as connection:
            learn_names(connection, references, rows, names)
        yield lines([_cells(row, places, called, names) for row in rows])


def _cells(
    row: Row[Any], places: Sequence[int], called: Sequence[tuple[int, Reference]], names: Names
) -> list[object]:
    values = [row[place] for place in places]
    for place, reference in called:
        if values[place] is not None:
            values[place] = name_of(reference, values[place], names)
    return harmless_cells(values)


def file_name(list_name: str, at: datetime) -> str:
    """Return the name of the file, such as `invoices-2026-11-22-1403.csv`."""
    return f"{list_name}-{at:%Y-%m-%d-%H%M}.csv"
