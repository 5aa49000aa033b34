"""`manage.py db`: bring the schema up, take it back, say where it stands."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from core.errors import KuvertError, UnavailableError
from core.logs import set_up
from core.settings import current as settings
from core.visible import visible

if TYPE_CHECKING:
    from core.database import Database


@click.group()
def db() -> None:
    """Move the database's schema."""


@db.command()
def upgrade() -> None:
    """Bring the database to the schema of this code; `manage.py upgrade` backs it up before."""
    from core import migrations, upgrading

    with opened() as database:
        found = upgrading.plan(database, settings().home)
        upgrading.refuse_unsafe(found)
        for one in found.older:
            click.echo(visible(f"of another version, and working: {one}; restart it"), err=True)
        migrations.upgrade(database, timezone=settings().timezone.key)
        click.echo(f"the database is at {migrations.head()}")


@db.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(revision: str, *, yes: bool) -> None:
    """Take the database back to REVISION; `base` removes every table and what is in it.

    Says first what goes, which only a backup brings back.
    """
    from core import migrations

    with opened() as database:
        lost = migrations.losses(database, revision)
        for line in lost:
            click.echo(f"goes: {line}", err=True)
        if not yes:
            what = "what is listed goes for good" if lost else "no rows go"
            click.confirm(f"Take the database back to {revision}? {what}", abort=True)
        migrations.downgrade(database, revision)
    click.echo(f"the database is at {revision}")


@db.command(name="current")
def current_revision() -> None:
    """Print the revision the database is at."""
    from core import migrations

    with opened() as database, database.single() as connection:
        click.echo(migrations.current(connection) or "empty")


@db.command()
def check() -> None:
    """Compare the database with the code; exit 1 when they differ."""
    from core import migrations
    from core.app import PACKAGES

    migrations.load_models(PACKAGES)
    with opened() as database, database.single() as connection:
        at, head = migrations.current(connection), migrations.head()
        if at != head:
            raise KuvertError(f"the database is at {at or 'nothing'}, the code knows {head}")
        lines = migrations.differences(connection)
    if lines:
        raise KuvertError("the database differs from the models: " + "; ".join(lines))
    click.echo(f"the database is at {head} and agrees with the code")


@contextmanager
def opened(database: "Database | None" = None) -> Iterator["Database"]:
    """Open the database of the settings, or this one, and close it in the end.

    Raises:
        UnavailableError: it cannot be used; in one line, without its password.
    """
    from sqlalchemy.exc import OperationalError

    from core.database import Database

    set_up(settings())
    database = database or Database(settings().database_url)
    try:
        yield database
    except OperationalError as error:
        where = database.url.render_as_string(hide_password=True)
        reason = str(error.orig).strip().splitlines()[0]
        raise UnavailableError(f"cannot use {where}: {reason}{database.hint()}") from error
    finally:
        database.close()
