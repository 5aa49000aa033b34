"""`manage.py callback`: what providers said, and what became of it."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from core.cli import json_option, output
from core.cli_app import application

if TYPE_CHECKING:
    from sqlalchemy import Row

STATES = (
    *("received", "applied", "ignored", "orphan", "unmapped", "unparsable", "conflict"),
    "unmatched",
)
MEANINGS = ("sent", "delivered", "undeliverable")


@click.group()
def callback() -> None:
    """Look at what providers said, work through it again, say what a word means."""


@callback.command(name="list")
@click.option("--state", type=click.Choice(STATES))
@click.option("--provider", metavar="CODE")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_callbacks(state: str | None, provider: str | None, limit: int, *, as_json: bool) -> None:
    """List callbacks, newest first."""
    from callbacks import queries
    from core.db import reading

    with application(), reading() as connection:
        rows = queries.newest(connection, state, provider, limit)
    output([_shown(row) if as_json else _in_short(row) for row in rows], as_json)


@callback.command(name="show")
@click.argument("callback_id", metavar="ID", type=click.UUID)
@json_option
def show_callback(callback_id: UUID, *, as_json: bool) -> None:
    """Show one callback: its headers and body as they came, and what became of it."""
    from callbacks import queries
    from core.db import reading

    with application(), reading() as connection:
        row = queries.callback(connection, callback_id)
    shown = _shown(row)
    body = row.body.decode("utf-8", "backslashreplace")
    if as_json:
        output({**shown, "headers": row.headers, "body": body}, as_json)
        return
    headers = {f"header {name}": value for name, value in row.headers.items()}
    output({**shown, **headers, "body": body}, as_json)


@callback.command()
@click.argument("callback_id", metavar="ID", type=click.UUID)
@click.option("--dry-run", is_flag=True, help="Say what would happen; store nothing.")
@json_option
def replay(callback_id: UUID, *, dry_run: bool, as_json: bool) -> None:
    """Work through one callback again, whatever became of it before."""
    from callbacks import services
    from core.db import trial, unit_of_work

    with application(), (trial if dry_run else unit_of_work)() as connection:
        end = services.replay(connection, callback_id)
    shown: dict[str, Any] = {
        "callback": str(callback_id),
        "state": str(end.state),
        "note": end.note,
        "delivery_id": end.delivery_id,
        "is_stored": not dry_run,
    }
    output(shown, as_json)


@callback.command(name="map")
@click.argument("provider")
@click.argument("word")
@click.argument("status", type=click.Choice(MEANINGS))
def map_word(provider: str, word: str, status: str) -> None:
    """Say that WORD of PROVIDER means STATUS; what waited for that is looked at again."""
    from callbacks import mappings, queries
    from core.db import unit_of_work
    from core.editing import By
    from core.staff import command_line_user
    from status.models import Status

    with application(), unit_of_work() as connection:
        provider_id = queries.provider_id(connection, provider)
        by = By(command_line_user())
        mappings.map_status(connection, provider_id, word, Status(status), by)
    click.echo(f"'{word}' of {provider} means {status}")


@callback.command(name="unmap")
@click.argument("provider")
@click.argument("word")
def unmap_word(provider: str, word: str) -> None:
    """Take back what WORD of PROVIDER means; what says it from now on waits for a meaning."""
    from callbacks import mappings, queries
    from core.db import unit_of_work

    with application(), unit_of_work() as connection:
        provider_id = queries.provider_id(connection, provider)
        mappings.remove_mapping(connection, mappings.find(connection, provider_id, word).id)
    click.echo(f"'{word}' of {provider} means nothing now")


def _shown(row: "Row[Any]") -> dict[str, Any]:
    """Return what is known of a callback, without its headers and body."""
    names = (
        *("id", "provider", "kind", "state", "note", "provider_status", "delivery_id"),
        *("occurred_at", "received_at", "finished_at", "due_at", "look_count"),
        *("dedupe_key", "body_sha256", "conflict_sha256"),
    )
    return {name: getattr(row, name) for name in names}


def _in_short(row: "Row[Any]") -> dict[str, Any]:
    """Leave to people what they look for in a table."""
    names = ("id", "received_at", "provider", "provider_status", "state", "note", "delivery_id")
    return {name: getattr(row, name) for name in names}
