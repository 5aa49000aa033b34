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


def _headline(shown: Mapping[str, Any]) -> str:
    kind = "final, kept" if shown["is_final"] else "not final: the week is not over"
    return f"{shown['week']} from {shown['from']} to {shown['to']} ({kind})"
