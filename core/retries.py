"""Trying again: how long to wait, and when to leave the other side in peace."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


def step(plan: Sequence[timedelta], attempts: int) -> timedelta | None:
    """Return the wait after `attempts` tries; None when they are used up."""
    return plan[attempts - 1] if attempts <= len(plan) else None


def spread(wait: timedelta, share: float) -> timedelta:
    """Return `wait` give or take up to `share` of it, so that many do not come at once."""
    return wait * random.uniform(1 - share, 1 + share)  # noqa: S311 - spreads load


@dataclass(frozen=True, slots=True)
class Breaker:
    """After `failures` in a row the other side gets nothing: `first`, twice that, … `longest`."""

    failures: int
    first: timedelta
    longest: timedelta

    def pause(self, failures: int) -> timedelta | None:
        """Return how long to pause after this many failures in a row; None: not yet."""
        if failures < self.failures:
            return None
        doublings = min((failures - self.failures) // self.failures, 20)
        return min(self.first * (1 << doublings), self.longest)
