"""Taking a backup: one moment of the database, into a file that is whole or not there."""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, Table, func, select

from core import migrations, version
from core.backups import shapes
from core.backups.archive import Manifest, Progress, Writer, nothing_said
from core.clock import rfc3339, utcnow
from core.database import Database
from core.errors import ConflictError, KuvertError

AT_ONCE = 1000
LARGE_AT_ONCE = 10
"""Rows that are read at once; of tables with bytes of any length, far fewer."""


def default_name() -> str:
    """Return the name of a backup that is taken now."""
    return f"kuvert-{utcnow():%Y-%m-%dT%H%M%SZ}.zip"


def take(
    database: Database, target: Path, progress: Progress = nothing_said, *, replace: bool = False
) -> Manifest:
    """Write what is in the database at one moment into `target`, readable by its owner alone.

    The file appears under its name when it is whole and on the disk.

    Raises:
        KuvertError: the database is empty, or a newer Kuvert has been here.
        ConflictError: there is such a file, and `replace` was not said.
    """
    if target.exists() and not replace:
        raise ConflictError(f"{target} is there already; --force replaces it")
    with database.snapshot() as connection:
        revision = migrations.known_revision(connection)
        if revision is None:
            raise KuvertError("the database is empty: there is nothing to back up")
        with _whole(target) as file:
            return _write(connection, file, revision, database, progress)


def _write(
    connection: Connection, file: IO[bytes], revision: str, database: Database, progress: Progress
) -> Manifest:
    taken_at = rfc3339(utcnow())
    writer = Writer(file)
    try:
        for table in shapes.shape(revision).tables.values():
            total = connection.execute(select(func.count()).select_from(table)).scalar_one()
            columns = {column.name: shapes.kind_of(column) for column in table.c}
            say = partial(_say, progress, table.name, total)
            writer.table(table.name, columns, read(connection, table), say)
    except BaseException:
        writer.abandon()
        raise
    return writer.finish(
        revision=revision,
        version=version.running(),
        engine=database.url.get_backend_name(),
        taken_at=taken_at,
    )


def _say(progress: Progress, table: str, total: int, done: int) -> None:
    progress(table, done, total)


def read(connection: Connection, table: Table) -> Iterator[Sequence[object]]:
    """Yield the rows of a table, a bounded number in memory at a time."""
    has_bytes = any(shapes.kind_of(column) == "bytes" for column in table.c)
    size = LARGE_AT_ONCE if has_bytes else AT_ONCE
    options = {"stream_results": True, "yield_per": size}
    yield from connection.execute(select(table), execution_options=options)


@contextmanager
def _whole(target: Path) -> Iterator[IO[bytes]]:
    """Give a file to write that gets the name of `target` when the block ends well."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    descriptor = _create(part)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise KuvertError(f"cannot write {target}: {error.strerror or error}") from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _create(part: Path) -> int:
    try:
        return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise KuvertError(f"cannot write into {part.parent}: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """Have the new name on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
