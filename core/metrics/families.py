"""What is asked of the database when somebody reads the metrics.

Packages register how they read theirs; core knows no table of theirs. A reading is bounded: some
indexed look-ups, however many rows there are.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection


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
