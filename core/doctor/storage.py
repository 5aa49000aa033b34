"""The database: whether it answers, its schema, its clock."""

from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

from core import migrations as schema
from core.clock import utcnow
from core.clock_watch import ODD_SECONDS
from core.db import database as current_database
from core.db import database_time, reading
from core.doctor.findings import Finding, Patient, fail, ok, skipped, warn

MEBIBYTE = 1024 * 1024
WRONG_SECONDS = 150.0
"""Half of what signed callbacks may be off (core.webhooks)."""


def database(_: Patient) -> Iterator[Finding]:
    """Connect, and say what is there and how large it is."""
    ours = current_database()
    try:
        with reading() as connection:
            version = ".".join(map(str, connection.dialect.server_version_info or ()))
            size = ours.size(connection) / MEBIBYTE
    except SQLAlchemyError as error:
        where = ours.url.render_as_string(hide_password=True)
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        yield fail(
            f"{where} cannot be used: {reason}{ours.hint()}; every request is answered 503",
            "start the database, or mend KUVERT_DATABASE_URL; nothing of Kuvert needs a restart",
        )
        return
    yield ok(f"{ours.url.get_backend_name()} {version}, {size:,.0f} MiB")


def migrations(_: Patient) -> Iterator[Finding]:
    """Compare the revision of the database with that of the code."""
    head = schema.head()
    with reading() as connection:
        found = schema.current(connection)
    if found == head:
        yield ok(f"at {head}, as this code")
    elif found and found > head:
        yield fail(
            f"the database is at {found}, newer than this code ({head})",
            "start the newer code again, or take the database back with db downgrade",
        )
    else:
        yield fail(
            f"the database is at {found or 'nothing'}, this code at {head}", "manage.py db upgrade"
        )


def clock(patient: Patient) -> Iterator[Finding]:
    """Compare the clock of this host with the database's."""
    if patient.settings.is_sqlite:
        yield skipped("one host, one clock: there is none to compare with")
        return
    with reading() as connection:
        seconds = (database_time(connection) - utcnow()).total_seconds()
    words = f"the database's clock is {abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'}"
    remedy = "let both hosts keep time by NTP (timedatectl, chronyc tracking)"
    if abs(seconds) >= WRONG_SECONDS:
        yield fail(f"{words}; signatures of callbacks may be refused", remedy)
    elif abs(seconds) >= ODD_SECONDS:
        yield warn(words, remedy)
    else:
        yield ok(words)
