"""Measuring in turns, so that whatever else the machine does falls on all sides alike."""

from collections.abc import Callable
from statistics import median

ROUNDS = 3

Side = Callable[[], float]


def in_turns(*sides: Side, rounds: int = ROUNDS) -> list[float]:
    """Call each side once per round; returns the median of each."""
    taken = [[side() for side in sides] for _ in range(rounds)]
    return [median(values) for values in zip(*taken, strict=True)]
