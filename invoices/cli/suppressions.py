"""`manage.py suppression`: addresses that bounced, and what is held for them."""

from datetime import datetime

import click

from core.cli import json_option, output
from core.cli_app import application
from core.visible import visible

MOST_HELD = 50
"""Invoices that wait, of which a release tells."""


@click.group()
def suppression() -> None:
    """Look at addresses that are suppressed because they bounced; release them, or add one."""


@suppression.command(name="list")
@click.option("--source", metavar="NAME", help="Of this source alone.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
@json_option
def list_suppressions(source: str | None, limit: int, *, as_json: bool) -> None:
    """List the addresses that are suppressed now, oldest first."""
    from core.db import reading
    from invoices import answers
    from invoices import suppression_queries as queries

    with application(), reading() as connection:
        source_id = queries.source_id(connection, source) if source is not None else None
        rows = queries.active(connection, source_id, None, limit)
    if not rows and not as_json:
        click.echo("no address is suppressed", err=True)
        return
    output([{"source": row.source, **answers.suppression(row)} for row in rows], as_json)


@suppression.command()
@click.argument("address")
@click.option("--source", metavar="NAME", help="Of this source alone; of all when left out.")
@click.option("--reason", required=True, help="Why; it is kept with your login name.")
def release(address: str, source: str | None, reason: str) -> None:
    """Let mail go to ADDRESS again. Invoices that are held stay so until they are released."""
    from core.db import unit_of_work
    from core.staff import command_line_user
    from invoices import suppression_queries as queries
    from invoices.services import suppressions

    with application(), unit_of_work() as connection:
        count = suppressions.release(
            connection, address, source, by=command_line_user(), reason=reason
        )
        source_id = queries.source_id(connection, source) if source is not None else None
        held = queries.held(connection, address, source_id, MOST_HELD)
    click.echo(f"{address} may be written to again ({count} released)")
    if held:
        click.echo("still held; let each go with manage.py invoice release ID --reason WHY:")
    for row in held:
        click.echo(visible(f"  {row.invoice_id}  {row.number}"))


@suppression.command()
@click.argument("address")
@click.option("--source", metavar="NAME", required=True, help="The source that it is for.")
@click.option("--reason", required=True, help="Why; it is kept with your login name.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The first day, in the desk's zone, on which mail goes there again; never when left out.",
)
def add(address: str, source: str, reason: str, until: datetime | None) -> None:
    """Suppress ADDRESS by hand: what goes there is held."""
    from core.db import unit_of_work
    from core.settings import current
    from core.staff import command_line_user
    from invoices import suppression_queries as queries
    from invoices.services import suppressions

    ends_at = until.replace(tzinfo=current().timezone) if until else None
    with application(), unit_of_work() as connection:
        source_id = queries.source_id(connection, source)
        suppressions.add(
            connection,
            source_id,
            address,
            by=command_line_user(),
            reason=reason,
            expires_at=ends_at,
        )
    end = f"until {until:%Y-%m-%d}" if until else "until somebody releases it"
    click.echo(f"{address} is suppressed for {source} {end}")
