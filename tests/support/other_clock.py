"""manage.py as on a host whose clock is off: `python -m tests.support.other_clock 600 beat`."""

import sys
import time
from datetime import timedelta

from core import clock


def set_off(seconds: int) -> None:
    """Let all that asks for the time from now on get one that is `seconds` off."""
    utcnow, seconds_now, nanoseconds_now = clock.utcnow, time.time, time.time_ns
    clock.utcnow = lambda: utcnow() + timedelta(seconds=seconds)
    time.time = lambda: seconds_now() + seconds
    time.time_ns = lambda: nanoseconds_now() + seconds * 10**9


if __name__ == "__main__":
    set_off(int(sys.argv.pop(1)))
    # Only now, so that whoever imports the clock by name gets the other one.
    import manage

    sys.exit(manage.main())
