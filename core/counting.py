"""Counting rows without ever counting all of a large table."""

from sqlalchemy import ColumnElement, Connection, func, literal, select


def up_to(connection: Connection, where: ColumnElement[bool], most: int) -> int:
    """Return how many rows match `where`, which an index serves, and no more than `most`."""
    some = select(literal(1)).where(where).limit(most).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0
