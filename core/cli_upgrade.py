"""`manage.py upgrade`: look, back up, bring the schema up, check."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli import FAILED, json_option, output
from core.cli_db import opened
from core.errors import KuvertError
from core.settings import current as settings
from core.visible import visible

if TYPE_CHECKING:
    from core.database import Database
    from core.upgrading import Plan

FOLDER = "backups"


@click.command()
@click.option("--check", "only_check", is_flag=True, help="Only say what would be done.")
@click.option(
    "--backup-to", type=click.Path(path_type=Path), help="Folder of the backup made before."
)
@click.option("--no-backup", is_flag=True, help="Make none; you have one.")
@json_option
def upgrade(
    backup_to: Path | None, *, only_check: bool, no_backup: bool, as_json: bool
) -> int | None:
    """Bring the database to this code: back it up, run the migrations, compare the result.

    With --check it changes nothing; exit 1 when something stands in the way.
    """
    from core import upgrading

    folder = backup_to or settings().home / FOLDER
    with opened() as database:
        found = upgrading.plan(database, folder)
        _show(found, as_json=as_json)
        if only_check:
            return FAILED if found.obstacle or not (found.has_room or no_backup) else None
        if not found.waiting:
            return None
        upgrading.refuse_unsafe(found)
        if found.at is not None and not no_backup:
            _back_up(database, found, folder)
        _run(database)
    return None


def _show(found: "Plan", *, as_json: bool) -> None:
    from core.upgrading import PHASES

    rows = [
        {
            "revision": one.revision,
            "about": one.about,
            "phase": one.phase,
            "meaning": PHASES[one.phase],
        }
        for one in found.waiting
    ]
    if as_json:
        older = [{"name": one.name, "version": one.version} for one in found.older]
        facts = {"at": found.at, "code": found.head, "obstacle": found.obstacle}
        sizes = {"database_bytes": found.size, "free_bytes": found.free}
        output({**facts, **sizes, "waiting": rows, "older": older}, as_json=True)
        return
    if not rows:
        click.echo(f"the database is at {found.head}, as this code: nothing to do")
    else:
        click.echo(f"the database is at {found.at or 'nothing'}, this code at {found.head}:")
        output(rows, as_json=False)
    for one in found.older:
        click.echo(visible(f"of another version, and working: {one}"))
    if found.older and rows and not found.obstacle:
        click.echo("they may go on meanwhile; restart them afterwards. Web says nothing of itself.")
    room = "enough" if found.has_room else "NOT ENOUGH"
    click.echo(
        f"room for a backup: {found.free:,} bytes free, the database takes about"
        f" {found.size:,}: {room}"
    )
    if found.obstacle:
        click.echo(visible(f"in the way: {found.obstacle}"))


def _back_up(database: "Database", found: "Plan", folder: Path) -> None:
    from core.backups import taking

    if not found.has_room:
        raise KuvertError(
            f"{folder} may have no room for a backup; say --backup-to FOLDER, or --no-backup"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / taking.default_name()
    manifest = taking.take(database, path)
    click.echo(visible(f"backed up: {path}, {manifest.rows:,} rows"))


def _run(database: "Database") -> None:
    from core import migrations
    from core.app import PACKAGES

    migrations.upgrade(database, timezone=settings().timezone.key)
    migrations.load_models(PACKAGES)
    with database.single() as connection:
        lines = migrations.differences(connection)
    if lines:
        raise KuvertError("the database differs from the models: " + "; ".join(lines))
    click.echo(f"the database is at {migrations.head()} and agrees with the code")
    click.echo("restart web, workers and beat, if they run")
