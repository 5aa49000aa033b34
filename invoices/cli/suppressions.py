"""`manage.py suppression`: addresses that bounced, and what is held for them."""

import click

from core.cli import json_option, output
from core.cli_app import application


@click.group()
def suppression() -> None:
    """Look at addresses that are suppressed because they bounced; release them."""


@suppression.command(name="list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
@json_option
def list_suppressions(limit: int, *, as_json: bool) -> None:
    """List the addresses that are suppressed now, oldest first."""
    from core.db import reading
    from invoices import answers
    from invoices.services import suppressions

    with application(), reading() as connection:
        rows = suppressions.active(connection, None, None, limit)
    output([{"source": row.source, **answers.suppression(row)} for row in rows], as_json)


@suppression.command()
@click.argument("address")
@click.option("--source", metavar="NAME", help="Of this source alone; of all when left out.")
@click.option("--reason", required=True, help="Why; it is kept with your login name.")
def release(address: str, source: str | None, reason: str) -> None:
    """Let mail go to ADDRESS again. Invoices that are held stay so until they are released."""
    from core.db import unit_of_work
    from core.staff import command_line_user
    from invoices.services import suppressions

    with application(), unit_of_work() as connection:
        count = suppressions.release(
            connection, address, source, by=command_line_user(), reason=reason
        )
    click.echo(f"{address} may be written to again ({count} released)")
