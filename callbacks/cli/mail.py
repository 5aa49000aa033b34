"""`manage.py mail`: the mailbox that answers to our mails come to."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from core.cli import json_option, output
from core.cli_app import application

if TYPE_CHECKING:
    from callbacks.mailbox.reading import Report


@click.group()
def mail() -> None:
    """Read the mailbox that answers to our mails come to."""


@mail.command()
@json_option
def check(*, as_json: bool) -> None:
    """Read the mailbox once, now, as tasks.checkEmailInbox does."""
    from callbacks.mailbox import reading
    from core.settings import current

    with application():
        report = reading.check(current().imap_url, on_progress=_show)
    if as_json:
        output(asdict(report), as_json)
    else:
        click.echo(report)


def _show(report: "Report") -> None:
    """Say how far the run is; not on stdout, which is for what reads the result."""
    done = report.new + report.repeated
    click.echo(f"{done} of {done + report.left} mails", err=True)
