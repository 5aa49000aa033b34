"""Counting rows without ever counting all of a large table."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, func, literal, select


def up_to(connection: Connection, where: ColumnElement[bool], most: int) -> int:
    """Return how many rows match `where`, which an index serves, and no more than `most`."""
    some = select(literal(1)).where(where).limit(most).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0


def by_word(
    connection: Connection, column: Column[Any], words: Iterable[str], most: int
) -> list[tuple[tuple[str], int]]:
    """Return how many rows have each word in an indexed column, `most` of each at most."""
    return [((str(word),), up_to(connection, column == word, most)) for word in words]
