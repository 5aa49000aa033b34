"""`manage.py report`: what was taken in, added up."""

from collections.abc import Mapping
from typing import Any

import click

from core.cli import json_option, output
from core.cli_app import application


@click.group()
def report() -> None:
    """Add up what was taken in."""


@report.command(name="totals")
@click.option("--week", "name", metavar="WEEK", help="Such as 2026-W47; the last one over if none.")
@json_option
def show_totals(name: str | None, *, as_json: bool) -> None:
    """Add up a week per source, currency and status.

    A week that is over is computed and kept, in place of an earlier answer; one that is not is
    only shown.
    """
    from core.clock import utcnow
    from core.db import unit_of_work
    from core.errors import InputError
    from core.settings import current
    from invoices import answers
    from invoices.services import totals

    now = utcnow()
    try:
        week = totals.Week.asked_for(name, now, current().timezone)
    except InputError as error:
        raise click.BadParameter(error.detail, param_hint="--week") from error
    with application(), unit_of_work() as connection:
        is_over = week.end <= now
        rows = totals.store(connection, week) if is_over else totals.compute(connection, week)
    shown = answers.totals(week, rows, is_final=is_over)
    if as_json:
        output(shown, as_json)
        return
    click.echo(_headline(shown), err=True)
    output(shown["totals"], as_json)


@report.command()
@click.argument("week", required=False)
@click.option("--to", metavar="ADDRESSES", help="Instead of KUVERT_REPORT_TO; parted by commas.")
@click.option("--again", is_flag=True, help="Also to whom it was sent, or may have been.")
@json_option
def send(week: str | None, to: str | None, *, again: bool, as_json: bool) -> None:
    """Mail the report of a WEEK such as 2026-W47; of the last one that is over when left out.

    What waits for another try is tried now. Exit 1 when the mail server did not take it.
    """
    from core.clock import utcnow
    from core.db import reading, unit_of_work
    from core.errors import InputError
    from core.settings import current
    from invoices import answers
    from invoices.report import sending
    from invoices.services import report_mails, totals

    settings = current()
    with application():
        to = to or settings.report_to
        if not to:
            raise click.UsageError("KUVERT_REPORT_TO is not set; say --to ADDRESS")
        try:
            found = totals.Week.asked_for(week, utcnow(), settings.timezone)
            recipients = report_mails.recipients_of(to)
        except InputError as error:
            raise click.UsageError(error.detail) from error
        with unit_of_work() as connection:
            mail_id = report_mails.ask(connection, found, recipients, settings, again=again)
        is_sent = sending.send_now(mail_id, settings)
        with reading() as connection:
            output(answers.report_mail(report_mails.find(connection, mail_id)), as_json)
    if not is_sent:
        raise SystemExit(1)


@report.command(name="mails")
@click.option("--week", metavar="WEEK", help="Such as 2026-W47; all weeks when left out.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_mails(week: str | None, limit: int, *, as_json: bool) -> None:
    """List the mails of reports, the newest first: to whom, by whom, and what became of each."""
    from core.db import reading
    from invoices import answers
    from invoices.services import report_mails

    with application(), reading() as connection:
        rows = report_mails.newest(connection, week, limit)
    output([answers.report_mail(row) for row in rows], as_json)


def _headline(shown: Mapping[str, Any]) -> str:
    kind = "final, kept" if shown["is_final"] else "not final: the week is not over"
    return f"{shown['week']} from {shown['from']} to {shown['to']} ({kind})"
