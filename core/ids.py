"""Identifiers: UUID version 7 (RFC 9562 §5.7), made by us before the insert."""

import os
import threading
import time
from datetime import datetime
from uuid import UUID

_lock = threading.Lock()
_last = 0


def new_id() -> UUID:
    """Return a UUIDv7: milliseconds, then 12 bits of their fraction, then 62 random bits.

    Ids made by one process ascend strictly, so that they also order what one process did.
    """
    return UUID(int=_bits(_tick()))


def first_id_of(moment: datetime) -> UUID:
    """Return the least id that can have been made in the millisecond of `moment` or later."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62)


def _tick() -> int:
    """Return the time in 1/4096 ms, later than at any call before."""
    global _last  # noqa: PLW0603 - the last tick is what makes ids ascend
    now = time.time_ns() * 4096 // 1_000_000
    with _lock:
        _last = max(now, _last + 1)
        return _last


def _bits(tick: int) -> int:
    """Lay out the 128 bits of one identifier."""
    random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return (tick >> 12) << 80 | 7 << 76 | (tick & 0xFFF) << 64 | 2 << 62 | random
