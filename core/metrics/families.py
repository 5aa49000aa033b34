"""What is asked of the database when somebody reads the metrics.

Packages register how they read theirs; core knows no table of theirs. A reading is bounded: some
indexed look-ups, however many rows there are.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection

from core import counting

MOST = 100_000
"""Rows of one kind that are counted."""


@dataclass(frozen=True, slots=True)
class Family:
    """A gauge with its samples: the values of `labels`, and the number."""

    name: str
    help: str
    labels: Sequence[str]
    samples: Sequence[tuple[Sequence[str], float]]

    @classmethod
    def of(cls, name: str, text: str, value: float | None) -> "Family":
        """Return a gauge without labels; without a value, one that says nothing."""
        return cls(name, text, (), [] if value is None else [((), value)])


def by_word(
    connection: Connection, name: str, text: str, column: Column[Any], words: Iterable[str]
) -> Family:
    """Return how many rows have each word in an indexed column, MOST of each at most.

    The label is the column's name.
    """
    found = [((str(word),), counting.up_to(connection, column == word, MOST)) for word in words]
    return Family(name, f"{text}; {MOST:,} at most are counted.", (column.name,), found)


Reading = Callable[[Connection, datetime], Iterable[Family]]
"""Takes a connection for single statements and the time by the database's clock."""

_readings: list[Reading] = []


def register(reading: Reading) -> None:
    """Have what `reading` yields stand on /metrics; asked twice, it stands there once."""
    if reading not in _readings:
        _readings.append(reading)


def registered() -> list[Reading]:
    """Return every reading that a package has registered."""
    return list(_readings)
