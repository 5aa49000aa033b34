"""`manage.py erase`: take a person out of everything, and keep amounts and history."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from core.cli import json_option, output
from core.cli_app import application
from core.visible import visible

if TYPE_CHECKING:
    from callbacks.erasing import Erased


@click.command()
@click.option("--address", required=True, help="The person's mail address.")
@click.option("--name", help="The full name, replaced wherever it stands word for word.")
@click.option("--reason", required=True, help="Why; it is kept with your login name.")
@click.option("--dry-run", is_flag=True, help="Say what would be changed; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def erase(
    *, address: str, name: str | None, reason: str, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Put a pseudonym in place of the person who has a mail address.

    Documents, callbacks and mails about him are emptied; numbers, amounts, dates, statuses and
    history stay. Refused while an invoice of his is not final or under legal hold. Backups and log
    files are yours to see to: docs/retention.md.
    """
    from callbacks import erasing

    with application():
        foreseen = erasing.erase(address, name=name, reason=reason, is_trial=True)
        if dry_run:
            _show(foreseen, as_json=as_json)
            return
        if not as_json:
            _show(foreseen, as_json=False)
        if not foreseen.changed:
            click.echo("nothing is known of this address", err=True)
            return
        if not yes:
            click.confirm("Erase this for good?", abort=True, err=True)
        erased = erasing.erase(address, name=name, reason=reason)
    if as_json:
        _show(erased, as_json=True)
    else:
        click.echo(f"erased; {erased.pseudonym} stands there now")


def _show(erased: "Erased", *, as_json: bool) -> None:
    if as_json:
        output(asdict(erased), as_json)
        return
    output([{"table": table, "rows": count} for table, count in erased.changed.items()], as_json)
    for table, count in erased.left.items():
        click.echo(f"Note: it still stands in {count} rows of {table}, which stay", err=True)
    if erased.unread:
        numbers = ", ".join(map(visible, erased.unread))
        click.echo(
            "Note: these invoices of others went there too; what is attached, as a PDF, is not"
            f" searched: {numbers}",
            err=True,
        )
