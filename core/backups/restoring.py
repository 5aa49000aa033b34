"""Restoring a backup: all of it is verified before anything is written, and again after."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, delete, func, select

from core import audit, migrations, pauses
from core.backups import shapes, taking
from core.backups.archive import BackupError, Entry, Progress, Reader, nothing_said
from core.backups.rows import Tally, line
from core.database import Database
from core.database.rebuilding import Rebuild
from core.pause_models import DispatchPause

MOST_ROWS = 1000
MOST_BYTES = 4_000_000
"""What is written at once."""

PAUSES = DispatchPause.__tablename__
FIRST = ("audit_entries", PAUSES)
"""Filled before all others: from then on nothing can go out, whoever looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a database is to be filled.

    `reason` is why dispatch is paused then; `restored_from` is when the backup was taken, None
    where nothing was sent since (a move). `timezone` is that of schedules that migrations enter.
    """

    reason: str
    restored_from: datetime | None
    timezone: str = "UTC"


def check(reader: Reader, progress: Progress = nothing_said) -> None:
    """Refuse a backup that cannot be restored by this code; reads all of it.

    Raises:
        BackupError: it is of a newer schema, or damaged.
    """
    manifest = reader.manifest
    if not migrations.is_known(manifest.revision):
        raise BackupError(
            f"the backup is at {manifest.revision}, the code knows {migrations.head()};"
            f" use the Kuvert that made it ({manifest.version}) or a newer one"
        )
    expected = shapes.shape(manifest.revision).tables
    found = {entry.name: dict(entry.columns) for entry in manifest.tables}
    wanted = {
        name: {column.name: shapes.kind_of(column) for column in table.c}
        for name, table in expected.items()
    }
    if found != wanted:
        odd = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
        raise BackupError(f"the backup's tables are not those of its revision: {odd[:5]}")
    reader.verify(progress)


def filled(connection: Connection) -> Mapping[str, int]:
    """Return the tables with more rows in them than migrations put there; empty: a fresh one.

    Raises:
        KuvertError: a newer Kuvert has been here, or a restore into it did not finish.
    """
    revision = migrations.known_revision(connection)
    if revision is None:
        return {}
    found = shapes.shape(revision)
    counts = {
        name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for name, table in found.tables.items()
        if name != "leases"
    }
    return {name: count for name, count in counts.items() if count > found.seeded[name]}


def restore(
    database: Database, reader: Reader, wish: Wish, progress: Progress = nothing_said
) -> None:
    """Fill the database with a backup that was checked, bring it to this code's schema, pause.

    What was there is replaced at the end, or not at all (see `Database.rebuild`).

    Raises:
        BackupError: what was written is not what is read back.
        UnavailableError: somebody uses the database.
    """
    revision = reader.manifest.revision
    shape = shapes.shape(revision)
    names = shapes.all_names(migrations.head(), revision)
    with database.rebuild(names) as made:
        audit.listen(made.database)
        _migrate(made, revision, wish.timezone)
        for entry in _in_order(reader):
            with made.step():
                _fill(made, shape.tables[entry.name], entry, reader, progress)
            if entry.name == PAUSES:
                _pause(made, wish)
        _migrate(made, "head", wish.timezone)
        if PAUSES not in shape.tables:
            _pause(made, wish)


def _in_order(reader: Reader) -> Iterator[Entry]:
    entries = {entry.name: entry for entry in reader.manifest.tables}
    first = [entries.pop(name) for name in FIRST if name in entries]
    yield from first
    yield from entries.values()


def _migrate(made: Rebuild, revision: str, timezone: str) -> None:
    with made.step():
        migrations.upgrade_within(
            made.database,
            made.connection,
            revision,
            timezone=timezone,
            version_table=made.version_table,
        )


def _pause(made: Rebuild, wish: Wish) -> None:
    with made.step():
        # One that was paused when it was moved stays so.
        if wish.restored_from is not None or not pauses.is_paused(made.connection):
            pauses.pause(made.connection, wish.reason, wish.restored_from)


def _fill(made: Rebuild, table: Table, entry: Entry, reader: Reader, progress: Progress) -> None:
    """Put the rows of a table in place of those that migrations made, and read them back."""
    made.connection.execute(delete(table))
    done = 0
    for page in _pages(reader, entry):
        made.database.insert_many(made.connection, table, page)
        done += len(page)
        progress(entry.name, done, entry.rows)
    tally = Tally()
    for row in taking.read(made.connection, table):
        tally.add(line(row))
    if (tally.rows, tally.content) != (entry.rows, entry.content):
        raise BackupError(
            f"{entry.name}: what was written is not what is read back"
            f" ({tally.rows} rows of {entry.rows}); the database is not used"
        )


def _pages(reader: Reader, entry: Entry) -> Iterator[list[dict[str, object]]]:
    page: list[dict[str, object]] = []
    size = 0
    for row, written in reader.rows(entry):
        page.append(row)
        size += len(written)
        if len(page) >= MOST_ROWS or size >= MOST_BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page
