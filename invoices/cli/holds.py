"""`manage.py legal-hold`: what must be kept whatever its age."""

from uuid import UUID

import click

from core.cli import json_option, output
from core.cli_app import application


@click.group()
def legal_hold() -> None:
    """Keep an invoice, or all that goes to an address, until somebody lifts that."""


@legal_hold.command()
@click.option("--invoice", "invoice_id", metavar="ID", type=click.UUID, help="This invoice.")
@click.option("--address", help="Every invoice whose buyer has ADDRESS, or that goes there.")
@click.option("--reason", required=True, help="Why; it is kept with your login name.")
@json_option
def add(invoice_id: UUID | None, address: str | None, reason: str, *, as_json: bool) -> None:
    """Put something under legal hold: neither purge nor erase touches it."""
    from core.db import unit_of_work
    from core.staff import command_line_user
    from invoices.services import holds

    if (invoice_id is None) == (address is None):
        raise click.UsageError("give --invoice or --address")
    with application(), unit_of_work() as connection:
        by = command_line_user()
        if invoice_id is not None:
            hold_id = holds.hold_invoice(connection, invoice_id, by=by, reason=reason)
        else:
            hold_id = holds.hold_address(connection, str(address), by=by, reason=reason)
    if as_json:
        output({"id": hold_id}, as_json)
        return
    click.echo(f"held until manage.py legal-hold release {hold_id} --reason WHY")


@legal_hold.command(name="list")
@click.option("--all", "also_lifted", is_flag=True, help="Those that were lifted too.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
@json_option
def list_holds(limit: int, *, also_lifted: bool, as_json: bool) -> None:
    """List what is held, the newest first."""
    from core.db import reading
    from invoices.services import holds

    with application(), reading() as connection:
        rows = holds.listed(connection, also_lifted=also_lifted, count=limit)
    output([row._asdict() for row in rows], as_json)


@legal_hold.command()
@click.argument("hold_id", metavar="HOLD", type=click.UUID)
@click.option("--reason", required=True, help="Why; it is kept with your login name.")
def release(hold_id: UUID, reason: str) -> None:
    """Lift a hold: what it has kept goes when its time is over."""
    from core.db import unit_of_work
    from core.staff import command_line_user
    from invoices.services import holds

    with application(), unit_of_work() as connection:
        holds.lift(connection, hold_id, by=command_line_user(), reason=reason)
    click.echo("lifted")
