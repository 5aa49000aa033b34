"""Editing a row that others may edit too: of two at once one wins, and the other is told.

A table that staff edit has `version`, `updated_at` and `updated_by`. They count what people
decide. What tasks write beside that (pace, breaker, alarm, hits) stands in other columns and leaves
the version alone: it overwrites no edit, and makes none fail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, select, update

from core import actor
from core.clock import utcnow
from core.errors import ChangedError, InputError, NotFoundError

LONGEST_ACTOR = 200


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something, and why."""

    actor: str
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """A table that staff edit, and the written list of `fields` that they may set in it.

    Of a row that somebody else has changed these and `shown` are told, and no other column.
    """

    table: Table
    fields: Sequence[str]
    shown: Sequence[str] = ()


def locked(
    connection: Connection, book: Book, row_id: UUID, version: int | None = None
) -> Row[Any]:
    """Return a row, locked for a change; `version` is what the editor has seen, None: any.

    Raises:
        NotFoundError: there is none.
        ChangedError: it is not at `version` any more.
    """
    # FOR NO KEY UPDATE where the engine has it: rows that refer to this one can still be added.
    statement = select(book.table).where(book.table.c.id == row_id)
    row = connection.execute(statement.with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise NotFoundError("There is nothing with this id")
    check_version(row, version, (*book.fields, *book.shown))
    return row


def check_version(row: Row[Any], version: int | None, fields: Sequence[str]) -> None:
    """Refuse an edit that began at another version than the row's; None: it began at this one.

    Raises:
        ChangedError: with the row's `fields` as they are now.
    """
    if version is None or row.version == version:
        return
    who = row.updated_by or "somebody"
    when = f" at {row.updated_at:%Y-%m-%d %H:%M}Z" if row.updated_at else ""
    raise ChangedError(
        f"changed by {who}{when}; look again",
        theirs={name: getattr(row, name) for name in fields},
        version=row.version,
        changed_by=row.updated_by,
        changed_at=row.updated_at,
    )


def known(book: Book, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values`, all of which must be fields that may be set.

    Raises:
        InputError: naming the first that is none.
    """
    for name in values:
        if name not in book.fields:
            raise InputError.at(f"/{name}", "unknown-field", f"{name} cannot be changed")
    return dict(values)


def save(
    connection: Connection, book: Book, old: Row[Any], values: Mapping[str, Any], by: By
) -> set[str]:
    """Write those of `values` that differ, count the version on; return which they were.

    Raises:
        ChangedError: somebody else changed the row since `old` was read.
    """
    changed = {name: value for name, value in values.items() if getattr(old, name) != value}
    if changed:
        columns = book.table.c
        mine = (columns.id == old.id, columns.version == old.version)
        statement = update(book.table).where(*mine).values(**changed, **stamp(old.version, by))
        with actor.because(by.comment):
            written = connection.execute(statement)
        if not written.rowcount:
            _tell_loser(connection, book, old)
    return set(changed)


def remove(connection: Connection, book: Book, old: Row[Any]) -> None:
    """Delete a row.

    Raises:
        ChangedError: somebody else changed it since `old` was read.
    """
    columns = book.table.c
    mine = (columns.id == old.id, columns.version == old.version)
    if not connection.execute(delete(book.table).where(*mine)).rowcount:
        _tell_loser(connection, book, old)


def stamp(version: int | ColumnElement[int], by: By) -> dict[str, Any]:
    """Return the columns that say that `by` changed a row which was at `version`."""
    who = by.actor[:LONGEST_ACTOR]
    return {"version": version + 1, "updated_at": utcnow(), "updated_by": who}


def _tell_loser(connection: Connection, book: Book, old: Row[Any]) -> None:
    """Say what the winner has made of the row."""
    locked(connection, book, old.id, old.version)
    raise RuntimeError("a row is at its version and could not be written")
