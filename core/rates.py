"""How many calls a minute one API key may make, counted in this process alone.

A key that is idle gathers a minute's worth of calls; each call takes one. A count that all
processes share would need a database or a server in the way of every request.
"""

import math
import threading
from time import monotonic

from core.errors import TooManyError

MINUTE_SECONDS = 60.0


class Meter:
    """What each key has left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key: str, a_minute: int, now: float | None = None) -> None:
        """Take one call of `key`, which may make so many `a_minute`; 0: any number.

        Raises:
            TooManyError: there is none left; it says when there will be.
        """
        if not a_minute:
            return
        moment = monotonic() if now is None else now
        a_second = a_minute / MINUTE_SECONDS
        with self._lock:
            left, since = self._left.get(key, (float(a_minute), moment))
            left = min(float(a_minute), left + (moment - since) * a_second)
            is_allowed = left >= 1
            self._left[key] = (left - is_allowed, moment)
        if not is_allowed:
            wait = math.ceil((1 - left) / a_second)
            detail = f"more than {a_minute:,} calls a minute with this key"
            raise TooManyError(detail, headers={"Retry-After": str(wait)})


meter = Meter()
"""That of this process. Keys are only as many as were given out."""
