"""Measuring in turns, so that whatever else the machine does falls on all sides alike."""

from collections.abc import Callable
from itertools import chain
from statistics import median

ROUNDS = 3

Side = Callable[[], float]


def in_turns(*sides: Side, rounds: int = ROUNDS, each: int = 1) -> list[float]:
    """Call each side once per round, or `each` times in a row; returns the median of each."""
    taken = [[[side() for _ in range(each)] for side in sides] for _ in range(rounds)]
    return [median(chain.from_iterable(blocks)) for blocks in zip(*taken, strict=True)]
