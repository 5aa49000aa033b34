"""`manage.py backup`, `restore` and `move`: the whole database in a file, and out of it."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli_db import opened
from core.errors import ConflictError, KuvertError, SettingsError
from core.settings import current as settings
from core.visible import visible

if TYPE_CHECKING:
    from core.backups.archive import Manifest, Progress, Reader
    from core.database import Database

NEXT_STEPS = """Next:
  1. set KUVERT_DATABASE_URL to the new database, wherever it is set
  2. start web, workers and beat
  3. manage.py db check, and look around
  4. manage.py dispatch resume --reason "moved"
The old database was left as it was. Start nothing on it again: it would send all once more.
"""


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Read the backup TARGET and say whether it is whole.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def backup(target: Path, *, verify: bool, force: bool) -> None:
    """Back up the database into TARGET, a file or a folder; Kuvert may go on working.

    The backup fits every engine. Keep KUVERT_SECRET_KEY and the files of secrets with it, apart.
    """
    from core.backups import taking

    if verify:
        _verify(target)
        return
    try:
        path = target / taking.default_name() if target.is_dir() else target
    except OSError as error:
        raise KuvertError(f"cannot write {target}: {error.strerror}") from error
    with opened() as database:
        manifest = taking.take(database, path, _progress(), replace=force)
    click.echo(f"{visible(str(path))}: {_told(manifest)}, {path.stat().st_size:,} bytes")
    for document in manifest.damaged:
        click.echo(f"Note: document {document} does not fit its SHA-256 in the database", err=True)


def _verify(path: Path) -> None:
    from core.backups import restoring

    with _reader(path) as reader:
        restoring.check(reader, _progress())
        click.echo(f"{visible(str(path))} is whole: {_told(reader.manifest)}")
        for document in reader.manifest.damaged:
            click.echo(f"Note: document {document} was damaged already", err=True)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace what is in the database, without asking.")
def restore(file: Path, *, force: bool) -> None:
    """Fill the database with the backup FILE, of this or an older version, from any engine.

    All of it is verified first. Afterwards nothing is sent until somebody resumes dispatch.
    """
    from core.backups import restoring

    with _reader(file) as reader, opened() as database:
        restoring.check(reader, _progress("verified"))
        _refuse_living(database, "restore")
        if not force:
            _ask(database)
        taken_at = datetime.fromisoformat(reader.manifest.taken_at)
        wish = restoring.Wish(
            reason=f"restored from the backup of {taken_at:%Y-%m-%d %H:%M} UTC",
            restored_from=taken_at,
            timezone=settings().timezone.key,
        )
        undone = _erasures_since(database, taken_at)
        restoring.restore(database, reader, wish, _progress("restored"))
        click.echo(f"restored: {_told(reader.manifest)}")
    click.echo("Dispatch is paused: what was waiting may have been sent since the backup.")
    click.echo('See manage.py dispatch status --list, then dispatch resume --reason "…".')
    click.echo("Before that, erase again who was erased since the backup (docs/retention.md).")
    for line in undone:
        click.echo(f"Undone by this: {visible(line)}")


def _erasures_since(database: "Database", taken_at: datetime) -> list[str]:
    """Say which persons were erased after a backup, as far as the database that it replaces knows.

    Their addresses stand nowhere any more: the reason that was given tells whose request it was.
    """
    from core.retention import queries

    with database.single() as connection:
        found = queries.erasures_since(connection, taken_at)
    return [
        f"{run.started_at:%Y-%m-%d %H:%M} UTC by {run.asked_by}: {run.reason} ({run.result})"
        for run in found
    ]


@click.command()
@click.option("--to", "to", required=True, metavar="URL", help="Where to; - reads it from stdin.")
@click.option("--force", is_flag=True, help="Replace what is in the new one.")
def move(to: str, *, force: bool) -> None:
    """Copy everything into another database, of any engine, and compare counts and hashes.

    Web, workers and beat must be stopped. Others on this host can see what a command is given: a
    URL with a password in it is better read from stdin.
    """
    from core.backups import restoring, taking
    from core.database import Database

    with ExitStack() as stack:
        source = stack.enter_context(opened())
        try:
            goal = Database(sys.stdin.readline().strip() if to == "-" else to)
        except SettingsError as error:
            lines = [line.replace("KUVERT_DATABASE_URL", "--to") for line in error.lines]
            raise click.UsageError("; ".join(lines)) from error
        target = stack.enter_context(opened(goal))
        _refuse_same(source, target)
        _refuse_living(source, "move")
        _refuse_living(target, "move")
        if not force:
            _ask(target)
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=settings().home))
        path = Path(folder, "moving.zip")
        taking.take(source, path, _progress("read"))
        reader = stack.enter_context(_reader(path))
        restoring.check(reader, _progress("verified"))
        wish = restoring.Wish(
            reason="moved to another database",
            restored_from=None,
            timezone=settings().timezone.key,
        )
        restoring.restore(target, reader, wish, _progress("written"))
        _show_comparison(reader.manifest)
    click.echo(NEXT_STEPS, nl=False)


def _show_comparison(manifest: "Manifest") -> None:
    """Print what was compared, table by table: a difference would have ended the move."""
    from core.cli import output

    rows = [
        {"table": entry.name, "rows": entry.rows, "content (both)": entry.content[:16]}
        for entry in manifest.tables
    ]
    output(rows, as_json=False)
    click.echo(f"moved: {_told(manifest)}; counts and hashes of all tables are the same in both")


def _refuse_same(source: "Database", target: "Database") -> None:
    if source.url == target.url:
        raise ConflictError("--to is the database that Kuvert uses now")


def _refuse_living(database: "Database", verb: str) -> None:
    """Refuse while somebody works on the database.

    Raises:
        ConflictError: and who.
    """
    from core import living

    found = living.processes(database)
    if found:
        names = ", ".join(str(one) for one in found)
        raise ConflictError(
            f"stop Kuvert before you {verb}: {names} said lately that it works here; one that was"
            " killed counts as gone after 30 seconds"
        )


def _ask(database: "Database") -> None:
    """Ask before what is in a database is replaced; an empty one is filled without a question.

    Raises:
        ConflictError: nobody is there to answer.
    """
    from core.backups import restoring

    with database.single() as connection:
        filled = restoring.filled(connection)
    if not filled:
        return
    where = database.url.render_as_string(hide_password=True)
    most = ", ".join(f"{count:,} {name}" for name, count in list(filled.items())[:5])
    if not sys.stdin.isatty():
        raise ConflictError(f"{where} is not empty ({most}); --force replaces what is in it")
    click.confirm(f"{where} is not empty ({most}). Replace all of it?", abort=True)


@contextmanager
def _reader(path: Path) -> "Iterator[Reader]":
    from core.backups.archive import Reader

    with closing(Reader(path)) as reader:
        yield reader


def _told(manifest: "Manifest") -> str:
    tables = sum(entry.rows > 0 for entry in manifest.tables)
    return f"{manifest.rows:,} rows of {tables} tables at {manifest.revision}"


def _progress(verb: str = "") -> "Progress":
    """Return what shows how far it is: a line that is written over, where somebody looks."""
    if not sys.stderr.isatty():
        from core.backups.archive import nothing_said

        return nothing_said

    def say(table: str, done: int, total: int) -> None:
        end = "\n" if done >= total else ""
        click.echo(f"\r\x1b[K{verb} {table}: {done:,} of {total:,}{end}", err=True, nl=False)

    return say
