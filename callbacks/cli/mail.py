"""`manage.py mail`: the mailbox that answers to our mails come to."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

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
    """Say what Kuvert would make of the mail in FILE, and why; changes nothing.

    Rules of staff count, as they do for a mail that proves which delivery it speaks of.
    """
    from callbacks.mail.understanding import understand

    understood = _ruled([understand(file.read_bytes()) for file in files])
    for file, one in zip(files, understood, strict=True):
        if as_json:
            click.echo(json.dumps(one.to_json()))
        else:
            _tell(file, one)
            click.echo(f"  {_whose(one)}")


def _ruled(mails: "list[Understood]") -> "list[Understood]":
    """Return mails as the rules have them; as they are where no database can be asked."""
    from callbacks import rules
    from core.db import reading
    from core.errors import UnavailableError

    try:
        with application(), reading() as connection:
            theirs = rules.find(connection, mails)
    except UnavailableError as error:
        click.echo(f"rules of staff are left out: {error}", err=True)
        return mails
    return [rules.apply(one, theirs).mail for one in mails]


@mail.command(name="rules")
@click.option("--limit", type=click.IntRange(1, 10_000), default=200, show_default=True)
@json_option
def list_rules(limit: int, *, as_json: bool) -> None:
    """List the rules that staff made by overruling what mails were taken for, newest first."""
    from callbacks import rules
    from core.db import reading

    with application(), reading() as connection:
        rows = rules.newest(connection, limit)
    if not rows and not as_json:
        click.echo("nobody has overruled a mail yet", err=True)
        return
    names = (
        *("id", "ruling", "said_by", "dsn_status", "template", "reason", "is_disabled", "hits"),
        *("callback_id", "created_at", "updated_at", "updated_by"),
    )
    shown = names if as_json else names[:8]
    output([{name: getattr(row, name) for name in shown} for row in rows], as_json)


@mail.command(name="rule")
@click.argument("rule_id", metavar="ID", type=click.UUID)
@click.option("--disable/--enable", "is_disabled", required=True, help="Let it count no more.")
@click.option("--reason", required=True, help="Why; the audit keeps it with your login name.")
def switch_rule(rule_id: UUID, reason: str, *, is_disabled: bool) -> None:
    """Let the rule ID count no more, or again; what was done by it stays as it is."""
    from callbacks import rules
    from core.db import unit_of_work
    from core.editing import By
    from core.staff import command_line_user

    with application(), unit_of_work() as connection:
        by = By(command_line_user(), reason)
        rules.disable(connection, rule_id, by, is_disabled=is_disabled)
    click.echo(f"the rule {rule_id} counts {'no more' if is_disabled else 'again'}")


@mail.command()
@click.argument("callback_id", metavar="ID", type=click.UUID)
@click.option(
    "--as",
    "word",
    type=click.Choice(["hard", "soft", "none"]),
    required=True,
    help="hard: the address is no good; soft: it failed this time; none: it was no bounce.",
)
@click.option("--reason", required=True, help="Why; history and rule keep it with your name.")
@click.option("--dry-run", is_flag=True, help="Say what would happen; store nothing.")
@json_option
def overrule(callback_id: UUID, word: str, reason: str, *, dry_run: bool, as_json: bool) -> None:
    """Take the mail of the callback ID for something else, and all that are alike from now on."""
    from callbacks import overruling
    from callbacks.models import Ruling
    from core.db import trial, unit_of_work
    from core.editing import By
    from core.staff import command_line_user

    by = By(command_line_user(), reason)
    with application(), (trial if dry_run else unit_of_work)() as connection:
        done = overruling.overrule(connection, callback_id, Ruling(word), reason=reason, by=by)
    output({**asdict(done), "is_stored": not dry_run}, as_json)


def _tell(file: Path, understood: "Understood") -> None:
    """Write what a mail is, whom it speaks of, and why we think so."""
    click.echo(visible(f"{file}: {understood.kind}"))
    for one in understood.recipients:
        status = f", {one.status}" if one.status else ""
        firmness = f" ({one.verdict}{status})" if one.verdict != "none" else ""
        click.echo(visible(f"  {one.address or 'somebody'} {one.action}: {one.reason}{firmness}"))
    for line in understood.why:
        click.echo(visible(f"  because {line}"))


def _whose(understood: "Understood") -> str:
    """Say whether a mail proves that it speaks of a delivery of ours."""
    from core import mail_token
    from core.settings import current

    texts = [*understood.addressed_to, *understood.original_ids]
    keys = mail_token.find(current().secret_key, texts)
    if keys:
        return f"our token is in it: it speaks of the dispatch key {keys[0]}"
    if mail_token.is_in(texts):
        return "the token in it is not ours: made up, or of another KUVERT_SECRET_KEY"
    return "no token of ours is in it, so it can change no invoice unless it names our Message-ID"


def _show(report: "Report") -> None:
    """Say how far the run is; not on stdout, which is for what reads the result."""
    done = report.new + report.repeated
    click.echo(f"{done} of {done + report.left} mails", err=True)
