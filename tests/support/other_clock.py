"""manage.py as on a host whose clock is off: `python -m tests.support.other_clock 600 beat`.

`600 everywhere` sets off whatever else has a clock: the database as far as the process asks it,
and the cookies that it sends.
"""

import sys
import time
from datetime import timedelta

from core import clock

EVERYWHERE = "everywhere"


def set_off(seconds: float) -> None:
    """Let all that asks for the time from now on get one that is `seconds` off."""
    utcnow, seconds_now, nanoseconds_now = clock.utcnow, time.time, time.time_ns
    clock.utcnow = lambda: utcnow() + timedelta(seconds=seconds)
    time.time = lambda: seconds_now() + seconds
    time.time_ns = lambda: nanoseconds_now() + int(seconds * 10**9)


def set_others_off(distance: timedelta) -> None:
    """Let PostgreSQL's statements see another time, as SQLite's do; and let cookies end by it.

    Chromium holds the end of a cookie against the date of the answer that brings it.
    """
    from flask.sessions import SessionInterface
    from sqlalchemy import DateTime, Interval, literal, type_coerce

    from core.database.postgresql import PostgresqlDatabase
    from core.types import UtcDateTime

    later = literal(distance, Interval())
    database_clock, end_of = PostgresqlDatabase.clock, SessionInterface.get_expiration_time
    PostgresqlDatabase.clock = (  # type: ignore[method-assign]
        lambda self: type_coerce(
            type_coerce(database_clock(self), DateTime()) + later, UtcDateTime()
        )
    )
    SessionInterface.get_expiration_time = (  # type: ignore[method-assign]
        lambda self, app, session: (end := end_of(self, app, session)) and end + distance
    )


if __name__ == "__main__":
    own_seconds = float(sys.argv.pop(1))
    set_off(own_seconds)
    if sys.argv[1] == EVERYWHERE:
        sys.argv.pop(1)
        set_others_off(timedelta(seconds=own_seconds))
    # Only now, so that whoever imports the clock by name gets the other one.
    import manage

    sys.exit(manage.main())
