"""Reading lists: bounded counts, bounded pages, and the names behind ids in one query each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from flask import g
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Table,
    Uuid,
    bindparam,
    func,
    literal,
    or_,
    select,
)

from core.db import database

LARGEST_COUNT = 10_000
"""Rows are counted, and can be paged through, up to here; beyond it one narrows the list."""

LONGEST_SEARCH = 200
LARGE_SECONDS = 10.0
"""How long a table that was larger than LARGEST_COUNT is not counted again."""

COUNT = "kuvert_count"
"""The column of a page that says how many rows there are in all."""

SQL_ESCAPE = "\\"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows of a table, in which order; `order` names a column, `is_down` newest first."""

    table: Table
    columns: tuple[str, ...]
    clauses: tuple[ColumnElement[bool], ...]
    order: str = "id"
    is_down: bool = True

    def query(self) -> Select[Any]:
        """Return the statement, ordered so that equal values keep one order."""
        key = self.table.c.id
        by = self.table.c[self.order]
        ways = [by.desc() if self.is_down else by.asc()]
        if self.order != "id":
            ways.append(key.desc() if self.is_down else key.asc())
        columns = [self.table.c[name] for name in self.columns]
        return select(*columns).where(*self.clauses).order_by(*ways)

    def counting(self) -> Select[Any]:
        """Return the statement that counts the rows, but not beyond LARGEST_COUNT + 1."""
        some = select(literal(1)).select_from(self.table).where(*self.clauses)
        bounded = some.limit(LARGEST_COUNT + 1).subquery()
        return select(func.count()).select_from(bounded)

    def count(self, connection: Connection) -> int:
        """Count the rows, but not beyond LARGEST_COUNT + 1."""
        return int(connection.scalar(self.counting()) or 0)

    def page(self, connection: Connection, number: int, size: int) -> Sequence[Row[Any]]:
        """Return one page; the first is 0."""
        return connection.execute(self.query().limit(size).offset(number * size)).all()

    def counted_page(
        self, connection: Connection, number: int, size: int
    ) -> tuple[int, int, Sequence[Row[Any]]]:
        """Return the count, and a page with its number: the last where there is none so far on.

        A page that is there takes one statement with its count; a table that was too large to be
        counted moments ago is not counted again.
        """
        number = min(max(number, 0), (LARGEST_COUNT - 1) // size)
        large = f"{self.table.name} is large"
        is_large = not self.clauses and database().was(large)
        asked = {"size": size, "skipped": number * size}
        rows = connection.execute(self._counted(is_counted=not is_large), asked).all()
        if is_large and len(rows) == size:
            count = LARGEST_COUNT + 1
        elif rows and not is_large:
            count = rows[0]._mapping[COUNT]
        else:
            count = self.count(connection)
            number = min(number, max(0, min(count, LARGEST_COUNT) - 1) // size)
            rows = self.page(connection, number, size) if count else []
        if count > LARGEST_COUNT and not (self.clauses or is_large):
            database().remember(large, LARGE_SECONDS)
        return count, number, rows

    def _counted(self, *, is_counted: bool) -> Select[Any]:
        """Return the statement of a page, with the count where it `is_counted`."""
        if not self.clauses:
            return _plain_page(self.table, self.columns, self.order, self.is_down, is_counted)
        return _page(self, is_counted=is_counted)


def _page(wanted: Wanted, *, is_counted: bool) -> Select[Any]:
    statement = wanted.query()
    if is_counted:
        statement = statement.add_columns(wanted.counting().scalar_subquery().label(COUNT))
    return statement.limit(bindparam("size", type_=Integer)).offset(
        bindparam("skipped", type_=Integer)
    )


@lru_cache(maxsize=200)
def _plain_page(
    table: Table,
    columns: tuple[str, ...],
    order: str,
    is_down: bool,
    is_counted: bool,
) -> Select[Any]:
    """Build the statement of a list that nothing narrows once a process."""
    wanted = Wanted(table=table, columns=columns, clauses=(), order=order, is_down=is_down)
    return _page(wanted, is_counted=is_counted)


def counted(
    connection: Connection, table: Table, equal: dict[str, object], *more: ColumnElement[bool]
) -> str:
    """Count the rows whose columns have these values, for people: beyond LARGEST_COUNT roughly."""
    same = [table.c[name] == value for name, value in equal.items()]
    count = Wanted(table=table, columns=("id",), clauses=(*same, *more)).count(connection)
    return f"{count:,}" if count <= LARGEST_COUNT else f"> {LARGEST_COUNT:,}"


def searching(table: Table, names: Sequence[str], words: str) -> list[ColumnElement[bool]]:
    """Return the clauses of a search: `words` are in one of the columns, or are the id itself."""
    text = words.replace("\x00", "").strip()[:LONGEST_SEARCH]
    if not text or not names:
        return []
    key = _id_of(text)
    if key is not None and isinstance(table.c.id.type, Uuid):
        return [table.c.id == key]
    pattern = f"%{_escaped(text)}%"
    return [or_(*(table.c[name].ilike(pattern, escape=SQL_ESCAPE) for name in names))]


def _escaped(text: str) -> str:
    for sign in (SQL_ESCAPE, "%", "_"):
        text = text.replace(sign, SQL_ESCAPE + sign)
    return text


def _id_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Reference:
    """What an id in a column stands for: how the row is called, and the page that shows it."""

    table: Table
    shown: str
    endpoint: str


Names = dict[str, dict[UUID, str]]
"""What ids stand for, by table."""


def learn_names(
    connection: Connection,
    references: dict[str, Reference],
    rows: Sequence[Row[Any]],
    names: Names | None = None,
) -> None:
    """Look up what the ids of a page stand for; without `names`, for the time of the request."""
    every = names_here() if names is None else names
    columns = rows[0]._fields if rows else ()
    for column, reference in references.items():
        if column not in columns:
            continue
        place = columns.index(column)
        known = every.setdefault(reference.table.name, {})
        asked = {row[place] for row in rows} - {None}
        new = asked - known.keys()
        if new:
            shown = reference.table.c[reference.shown]
            found = connection.execute(
                select(reference.table.c.id, shown).where(reference.table.c.id.in_(new))
            )
            known.update({key: str(name) for key, name in found})


def names_here() -> Names:
    """Return the names that this request knows by now."""
    found: Names = g.setdefault("kuvert_names", {})
    return found


def name_of(reference: Reference, key: UUID, names: Names) -> str:
    """Return what an id stands for; the id itself where nobody looked it up."""
    return names.get(reference.table.name, {}).get(key, str(key))
