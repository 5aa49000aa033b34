"""`manage.py source` and `manage.py key`: billing systems and their API keys."""

from typing import TYPE_CHECKING, Any

import click

from core.cli import json_option, output
from core.cli_app import application

if TYPE_CHECKING:
    from core.editing import By

ENVIRONMENTS = click.Choice(["live", "test"])


@click.group()
def source() -> None:
    """Add, list, disable and enable billing systems; say in which language they write."""


@source.command(name="add")
@click.argument("name")
@click.option("--environment", type=ENVIRONMENTS, default="test", show_default=True)
@click.option("--provider", metavar="CODE", help="Who delivers where an invoice names nobody.")
@json_option
def add_source(name: str, environment: str, provider: str | None, *, as_json: bool) -> None:
    """Add the source NAME and print its first key, this once."""
    from core.db import unit_of_work
    from invoices import access, setup

    with application(), unit_of_work() as connection:
        source_id = setup.add_source(connection, name, environment, provider)
        key = access.create_key(connection, source_id, environment)
    _print_key(name, key, as_json=as_json)


@source.command(name="list")
@json_option
def list_sources(*, as_json: bool) -> None:
    """List all sources."""
    from core.db import reading
    from invoices import setup

    with application(), reading() as connection:
        rows = setup.sources(connection)
    output(rows, as_json)


@source.command(name="disable")
@click.argument("name")
def disable_source(name: str) -> None:
    """Refuse all keys of the source NAME; its invoices go on."""
    from core.db import unit_of_work
    from invoices import edits

    with application(), unit_of_work() as connection:
        edits.disable_source(connection, name, _by())
    click.echo(f"{name} is disabled")


@source.command(name="enable")
@click.argument("name")
def enable_source(name: str) -> None:
    """Take the keys of the source NAME again."""
    from core.db import unit_of_work
    from invoices import edits

    with application(), unit_of_work() as connection:
        edits.enable_source(connection, name, _by())
    click.echo(f"{name} is enabled")


@source.command(name="language")
@click.argument("name")
@click.argument("language")
def set_language(name: str, language: str) -> None:
    """Have the letters of the source NAME written in LANGUAGE, such as de."""
    from core.db import unit_of_work
    from invoices import edits

    with application(), unit_of_work() as connection:
        edits.set_source_language(connection, name, language, _by())
    click.echo(f"the letters of {name} are in {language}")


@click.group()
def key() -> None:
    """Add, list and revoke API keys."""


@key.command(name="add")
@click.argument("source_name", metavar="SOURCE")
@click.option("--scope", "scopes", multiple=True, help="Limit the key to this; may be repeated.")
@click.option("--expires", "expires_days", type=int, metavar="DAYS", help="When it ends.")
@click.option("--environment", type=ENVIRONMENTS, help="That of the source unless given.")
@json_option
def add_key(
    source_name: str,
    scopes: tuple[str, ...],
    expires_days: int | None,
    environment: str | None,
    *,
    as_json: bool,
) -> None:
    """Add a key to SOURCE and print it, this once."""
    from core.db import unit_of_work
    from invoices import access, setup

    with application(), unit_of_work() as connection:
        found = setup.source(connection, source_name)
        made = access.create_key(
            connection, found.id, environment or found.environment, scopes, expires_days
        )
    _print_key(source_name, made, as_json=as_json)


@key.command(name="list")
@json_option
def list_keys(*, as_json: bool) -> None:
    """List all keys, without their secrets."""
    from core.db import reading
    from invoices import access

    with application(), reading() as connection:
        rows = access.keys(connection)
    output(rows if as_json else [_readable(row) for row in rows], as_json)


@key.command(name="revoke")
@click.argument("prefix")
def revoke_key(prefix: str) -> None:
    """Take back the key with PREFIX; it counts no more from now on."""
    from core.db import unit_of_work
    from invoices import access

    with application(), unit_of_work() as connection:
        access.revoke(connection, prefix, _by())
    click.echo(f"{prefix} is revoked")


def _by() -> "By":
    from core.editing import By
    from core.staff import command_line_user

    return By(command_line_user())


def _print_key(source_name: str, made: str, *, as_json: bool) -> None:
    output({"source": source_name, "api_key": made}, as_json)
    if not as_json:
        click.echo("Keep the key: it is not shown again.", err=True)


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "scopes": ", ".join(row["scopes"]) or "all"}
