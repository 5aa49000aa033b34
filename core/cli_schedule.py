"""`manage.py schedule`: look at the schedule before it runs."""

import json
import re

import click

from core.cli import json_option
from core.clock import utcnow
from core.schedules.errors import TimingError
from core.schedules.preview import Preview, preview
from core.schedules.timing import Kind, Timing, named_zone, read_time, read_timing
from core.settings import current as settings
from core.visible import visible

_REFUSED = 2
_MOST_RUNS = 1_000
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")


@click.group()
def schedule() -> None:
    """Look at the schedule before it runs."""


# An expression may begin with a minus sign; it is then refused with its reason, not as an option.
@schedule.command(name="preview", context_settings={"ignore_unknown_options": True})
@click.argument("expression", required=False)
@click.option("--every", metavar="SECONDS", help="An interval instead of EXPRESSION.")
@click.option("--timezone", metavar="ZONE", help="IANA zone; by default KUVERT_TIMEZONE.")
@click.option(
    "--from", "start", metavar="TIME", help="Runs after TIME, ISO 8601, local in ZONE; or now."
)
@click.option("--count", type=click.IntRange(1, _MOST_RUNS), default=5, show_default=True)
@json_option
def show_preview(
    expression: str | None,
    every: str | None,
    timezone: str | None,
    start: str | None,
    count: int,
    *,
    as_json: bool,
) -> int:
    """Say what a crontab such as "0 23 * * 1" means, and when it runs next.

    Exit 2 when it is refused.
    """
    if (expression is None) == (every is None):
        raise click.UsageError("Give EXPRESSION or --every, one of them.")
    try:
        zone = named_zone(settings().timezone.key if timezone is None else timezone)
        timing = _timing(expression, every, zone.key)
        begin = utcnow() if start is None else read_time("from", start, zone)
    except TimingError as error:
        _refuse(error, as_json)
        return _REFUSED
    _show(preview(timing, start=begin, count=count), as_json)
    return 0


def _timing(expression: str | None, every: str | None, zone: str) -> Timing:
    if every is None:
        return read_timing(kind=Kind.CRONTAB, crontab=expression, zone=zone)
    # What is no whole number is out of bounds as 0 is, and refused in the same words.
    seconds = int(every) if _WHOLE_NUMBER.fullmatch(every) else 0
    return read_timing(kind=Kind.INTERVAL, every_seconds=seconds, zone=zone)


def _refuse(error: TimingError, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"error": error.detail, "field": error.field}))
    else:
        click.echo(f"Error: {visible(error.detail)}", err=True)


def _show(shown: Preview, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(shown.to_json(), indent=2))
        return
    click.echo(shown.description)
    for run in shown.runs:
        click.echo(f"  {run.local:%a %Y-%m-%d %H:%M:%S %z}  {run.utc:%Y-%m-%dT%H:%M:%SZ}")
    for warning in shown.warnings:
        click.echo(f"Note: {warning}")
