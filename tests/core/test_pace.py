"""How many batches one party may have under way."""

import pytest

from core import pace
from core.pace import Fate


def test_quick_batches_double_what_a_party_may_have() -> None:
    known, seen = pace.FIRST, []
    for _ in range(8):
        known = pace.after_batch(known, 0.1, is_over=True)
        seen.append(known)

    assert seen == [2, 4, 8, 16, 32, 64, 64, 64]


@pytest.mark.parametrize("is_over", [True, False])
def test_a_slow_batch_leaves_it_one(is_over: bool) -> None:
    assert pace.after_batch(64, pace.QUICK_SECONDS + 0.1, is_over=is_over) == pace.FIRST


def test_a_batch_that_goes_on_earns_nothing_yet() -> None:
    assert pace.after_batch(4, 0.1, is_over=False) == 4


def test_nothing_but_trouble_ends_a_batch() -> None:
    fate = Fate()
    for _ in range(pace.HOPELESS - 1):
        fate.note(is_trouble=True)
    early = fate.must_end
    fate.note(is_trouble=True)

    assert (early, fate.must_end) == (False, True)


def test_one_success_keeps_a_batch_going() -> None:
    fate = Fate()
    fate.note(is_trouble=False)
    for _ in range(3 * pace.HOPELESS):
        fate.note(is_trouble=True)

    assert not fate.must_end


def test_slowness_is_told_once() -> None:
    fate = Fate(began=-1000.0)

    assert [fate.turns_slow(), fate.turns_slow()] == [True, False]
    assert not Fate().turns_slow()
