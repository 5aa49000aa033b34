"""`manage.py purge`: take away what was kept long enough."""

import sys
from typing import TYPE_CHECKING

import click

from core.cli import json_option, output
from core.cli_app import application
from core.retention.names import KINDS
from core.settings import FEWEST_DAYS, MOST_DAYS, Settings
from core.settings import current as settings

if TYPE_CHECKING:
    from core.retention.kinds import Kind, Survey
    from core.retention.running import Progress

Line = dict[str, object]
NO_SETTING = "no setting: kept for ever"


@click.command()
@click.option("--kind", "name", type=click.Choice(KINDS), help="Only this kind; all when left out.")
@click.option(
    "--older-than",
    "days",
    metavar="DAYS",
    type=click.IntRange(FEWEST_DAYS, MOST_DAYS),
    help="What is older than DAYS, where no setting says how long the kind is kept.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go and what stays; change nothing.")
@click.option("--reason", help="Why; it is kept with your login name.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def purge(
    *,
    name: str | None,
    days: int | None,
    dry_run: bool,
    reason: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Take away what was kept for its time; docs/retention.md says what stays of it.

    Each kind is kept for the days of its setting KUVERT_KEEP_…, for ever without one. What is not
    final, changed lately or under legal hold stays, whatever its age. Interrupted, it leaves whole
    batches; the next run goes on.
    """
    if days is not None and name is None:
        raise click.UsageError("--older-than needs --kind")
    with application():
        plan = _plan(name, days, settings())
        due = [(kind, kept, found) for kind, kept, found in plan if kept and found and found.rows]
        if dry_run or not as_json:
            lines = [_line(kind, kept, found) for kind, kept, found in plan]
            output(lines if as_json else map(_in_short, lines), as_json)
        if dry_run:
            return
        if due and not yes:
            click.confirm("Take this away for good?", abort=True, err=True)
        done = [_purged(kind, kept, reason) for kind, kept, _ in due]
    if as_json:
        output(done, as_json)
    for line in () if as_json else done:
        click.echo(f"{line['kind']}: {line['rows']} rows, {line['bytes']} bytes are gone")


def _plan(
    name: str | None, days: int | None, settings: Settings
) -> list[tuple["Kind", int | None, "Survey | None"]]:
    """Return the kinds that are asked for, the days each is kept, and what is due of it.

    Raises:
        InputError: fewer days than the setting says.
    """
    from core.db import database
    from core.errors import InputError
    from core.retention import kinds
    from core.retention.kinds import Limits

    plan = []
    for kind in kinds.registered():
        if name not in {None, kind.name}:
            continue
        kept = kind.days(settings)
        if days is not None and kept is not None and days < kept:
            raise InputError(f"{kind.setting} keeps them for {kept} days; change that first")
        length = days or kept
        with database().snapshot() as connection:
            found = kind.survey(connection, Limits.of(length)) if length else None
        plan.append((kind, length, found))
    return plan


def _line(kind: "Kind", days: int | None, found: "Survey | None") -> Line:
    return {
        "kind": kind.name,
        "kept_days": days,
        "rows": found.rows if found else 0,
        "bytes": found.bytes if found else 0,
        "oldest_at": found.oldest_at if found else None,
        "newest_at": found.newest_at if found else None,
        "kept_back": dict(found.kept_back) if found else {},
    }


def _in_short(line: Line) -> Line:
    kept = line["kept_back"]
    words = [f"{count} {why}" for why, count in kept.items()] if isinstance(kept, dict) else []
    why = ", ".join(words) if line["kept_days"] else NO_SETTING
    times = {name: str(line[name] or "")[:10] for name in ("oldest_at", "newest_at")}
    return {**line, **times, "kept_back": why}


def _purged(kind: "Kind", days: int, reason: str | None) -> Line:
    from core.retention import running
    from core.retention.kinds import Limits

    tally = running.purge(kind, Limits.of(days), reason=reason, progress=_progress(kind.name))
    return {"kind": kind.name, "rows": tally.rows, "bytes": tally.bytes}


def _progress(name: str) -> "Progress":
    """Show how far a run is, to people alone."""
    from core.retention.running import silent

    if not sys.stderr.isatty():
        return silent

    def show(rows: int, _bytes: int) -> None:
        click.echo(f"\r{name}: {rows:,} rows", err=True, nl=False)

    return show
