"""`manage.py mail`: the mailbox that answers to our mails come to."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli import json_option, output
from core.cli_app import application
from core.visible import visible

if TYPE_CHECKING:
    from callbacks.mail.verdict import Understood
    from callbacks.mailbox.reading import Report


@click.group()
def mail() -> None:
    """Read the mailbox that answers to our mails come to."""


@mail.command()
@json_option
def check(*, as_json: bool) -> None:
    """Read the mailbox once, now, as tasks.checkEmailInbox does."""
    from callbacks.mailbox import reading
    from core import pump
    from core.settings import current

    settings = current()
    with application():
        lease = pump.limits(settings).lease
        report = reading.check(settings.imap_url, lease=lease, on_progress=_show)
    if as_json:
        output(asdict(report), as_json)
    else:
        click.echo(report)


@mail.command()
@click.argument(
    "files",
    metavar="FILE…",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@json_option
def explain(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Say what Kuvert would make of the mail in FILE, and why; changes nothing."""
    from callbacks.mail.understanding import understand

    for file in files:
        understood = understand(file.read_bytes())
        if as_json:
            click.echo(json.dumps(understood.to_json()))
        else:
            _tell(file, understood)


def _tell(file: Path, understood: "Understood") -> None:
    """Write what a mail is, whom it speaks of, and why we think so."""
    click.echo(visible(f"{file}: {understood.kind}"))
    for one in understood.recipients:
        status = f", {one.status}" if one.status else ""
        firmness = f" ({one.verdict}{status})" if one.verdict != "none" else ""
        click.echo(visible(f"  {one.address} {one.action}: {one.reason}{firmness}"))
    for line in understood.why:
        click.echo(visible(f"  because {line}"))


def _show(report: "Report") -> None:
    """Say how far the run is; not on stdout, which is for what reads the result."""
    done = report.new + report.repeated
    click.echo(f"{done} of {done + report.left} mails", err=True)
