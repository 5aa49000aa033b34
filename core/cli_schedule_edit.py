"""`manage.py schedule`: see and change when Kuvert does what, while it runs."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from core.cli import json_option, output
from core.cli_app import application
from core.cli_schedule import schedule
from core.schedules.timing import named_zone, read_time
from core.settings import current as settings

if TYPE_CHECKING:
    from sqlalchemy import Row

    from core.editing import By
    from core.schedules.history import Run
    from core.schedules.queries import Line

__all__ = ["schedule"]

FIELDS = (
    ("--task", "task", str, "Wire name of the task."),
    ("--args", "args", str, "Its arguments, a JSON array."),
    ("--every", "every_seconds", click.INT, "Seconds between runs."),
    ("--offset", "offset_seconds", click.INT, "Seconds after the epoch at which the grid begins."),
    ("--crontab", "crontab", str, 'Five fields, such as "0 23 * * 1".'),
    ("--timezone", "timezone", str, "IANA zone of the crontab and of what people read."),
    ("--at", "at", str, "Once, at this time (ISO 8601, local in the zone)."),
    ("--start", "start_at", str, "No run before this time."),
    ("--end", "end_at", str, "No run after this time."),
    ("--jitter", "jitter_seconds", click.INT, "Run up to this many seconds later."),
    ("--catchup", "catchup", click.Choice(["skip", "latest", "all"]), "What missed slots become."),
    ("--window", "catchup_window_seconds", click.INT, "How old a missed slot may be, in seconds."),
    ("--overlap", "overlap", click.Choice(["allow", "skip"]), "While the run before goes on."),
    ("--max-run", "max_run_seconds", click.INT, "Seconds after which a run counts as over."),
    ("--expires", "expires_seconds", click.INT, "Seconds after which a waiting run is dropped."),
    ("--description", "description", str, "For people."),
)
TIMES = ("at", "start_at", "end_at")


def _fields(command: Any) -> Any:  # noqa: ANN401 - a decorator of click's
    for flag, name, kind, text in reversed(FIELDS):
        command = click.option(flag, name, type=kind, help=text)(command)
    return command


@schedule.command(name="list")
@json_option
def list_schedules(*, as_json: bool) -> None:
    """List all schedules with their next and last runs, and who leads."""
    from core.db import reading
    from core.schedules import queries

    with application(), reading() as connection:
        found = queries.lines(connection)
        leader = queries.leader(connection)
    output([_line(one) for one in found], as_json)
    if as_json:
        return
    click.echo(leader or "No beat leads: nothing runs until one is started.", err=True)
    if any(one.alarm for one in found):
        click.echo("Once you have seen to an alarm: schedule silence NAME", err=True)


@schedule.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show one schedule, its newest runs and who changed it."""
    from core.db import reading
    from core.schedules import history, queries

    with application(), reading() as connection:
        line = queries.line(connection, name)
        row = queries.find(connection, name)
        runs = [_run(run) for run in history.history(connection, name)]
        changes = [_change(change) for change in history.changes(connection, name)]
    full = {key: value for key, value in row._asdict().items() if value is not None}
    if as_json:
        output({**full, "runs": runs, "changes": changes}, as_json)
        return
    output({"in words": line.words, "state": line.state_words, **full}, as_json)
    for part in (runs, changes):
        click.echo()
        output(part, as_json)


@schedule.command(name="history")
@click.argument("name")
@click.option("--count", default=20, show_default=True, type=click.IntRange(1, 1000))
@json_option
def show_history(name: str, count: int, *, as_json: bool) -> None:
    """List the newest runs of NAME, also skipped and missed ones, and of one that is deleted."""
    from core.db import reading
    from core.schedules import history

    with application(), reading() as connection:
        runs = [_run(run) for run in history.history(connection, name, count)]
    output(runs, as_json)


@schedule.command()
@click.argument("name")
@_fields
@json_option
def add(name: str, *, as_json: bool, **fields: Any) -> None:  # noqa: ANN401 - click's options
    """Add the schedule NAME; it runs first at its next slot."""
    from core.db import unit_of_work
    from core.schedules import edits, queries

    zone = settings().timezone.key
    values = {"timezone": zone, **_values(fields, zone)}
    values.setdefault("kind", _kind(values))
    if "task" not in values or values["kind"] is None:
        raise click.UsageError("Give --task, and one of --every, --crontab and --at.")
    with application(), unit_of_work() as connection:
        edits.add(connection, name, values, _by(None))
        line = queries.line(connection, name)
    output(_line(line), as_json)


@schedule.command()
@click.argument("name")
@_fields
@click.option("--enable/--disable", "is_enabled", default=None, help="Turn it on or off.")
@click.option("--comment", help="Why.")
def edit(name: str, comment: str | None, **fields: Any) -> None:  # noqa: ANN401
    """Change the schedule NAME; says what that does to its next run."""
    from core.db import unit_of_work
    from core.schedules import edits, queries

    if all(value is None for value in fields.values()):
        raise click.UsageError("Say what to change.")
    with application(), unit_of_work() as connection:
        values = _values(fields, queries.find(connection, name).timezone)
        if kind := _kind(values):
            values["kind"] = kind
        sentence = edits.edit(connection, name, values, _by(comment))
    click.echo(sentence)


@schedule.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why; people see it.")
@click.option("--until", metavar="TIME", help="Goes on by itself then (ISO 8601).")
def pause(name: str, reason: str, until: str | None) -> None:
    """Let NAME not run for a while."""
    from core.db import unit_of_work
    from core.schedules import queries, services

    with application(), unit_of_work() as connection:
        zone = queries.find(connection, name).timezone
        moment = _time("until", until, zone) if until else None
        services.pause(connection, name, _by(reason), moment)
    click.echo(f"{name} is paused")


@schedule.command()
@click.argument("name")
def resume(name: str) -> None:
    """Let NAME run again, from now on."""
    from core.db import unit_of_work
    from core.schedules import queries, services

    with application(), unit_of_work() as connection:
        services.resume(connection, name, _by(None))
        row = queries.find(connection, name)
    click.echo(f"{name} runs next at {_local(row.next_slot_at, row.timezone)}")


@schedule.command(name="run")
@click.argument("name")
@click.option("--reason", help="Why.")
def run_now(name: str, reason: str | None) -> None:
    """Run NAME once at once; its next run stays where it is."""
    from core.db import unit_of_work
    from core.schedules import services

    with application(), unit_of_work() as connection:
        run_id = services.run_now(connection, name, _by(reason))
    click.echo(f"{name} runs as {run_id} as soon as beat looks")


@schedule.command()
@click.argument("name")
@click.option("--reason", help="Why.")
def skip(name: str, reason: str | None) -> None:
    """Leave out the next run of NAME."""
    from core.db import unit_of_work
    from core.schedules import queries, services

    with application(), unit_of_work() as connection:
        services.skip_next(connection, name, _by(reason))
        row = queries.find(connection, name)
    click.echo(f"{name} runs next at {_local(row.next_slot_at, row.timezone)}")


@schedule.command()
@click.argument("name")
def undo(name: str) -> None:
    """Take the last edit of NAME back."""
    from core.db import unit_of_work
    from core.schedules import edits

    with application(), unit_of_work() as connection:
        sentence = edits.undo(connection, name, _by("undo"))
    click.echo(sentence)


@schedule.command()
@click.argument("name")
@click.option("--comment", help="Why.")
def silence(name: str, comment: str | None) -> None:
    """Take the alarm of NAME back, once somebody has seen to it."""
    from core.db import unit_of_work
    from core.schedules import services

    with application(), unit_of_work() as connection:
        is_silenced = services.silence(connection, name, _by(comment))
    click.echo(f"the alarm of {name} is taken back" if is_silenced else f"{name} has no alarm")


@schedule.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--comment", help="Why.")
def delete(name: str, comment: str | None, *, yes: bool) -> None:
    """Delete NAME; its runs and changes can still be read. What is built in stays."""
    from core.db import unit_of_work
    from core.schedules import services

    if not yes:
        click.confirm(f"Delete the schedule {name}?", abort=True)
    with application(), unit_of_work() as connection:
        services.remove(connection, name, _by(comment))
    click.echo(f"{name} is deleted")


# ---- own ----


def _by(comment: str | None) -> "By":
    from core import actor
    from core.editing import By

    return By(actor.current(), comment)


def _values(fields: dict[str, Any], zone: str) -> dict[str, Any]:
    """Return what was given, times read in the zone that was given, or else in `zone`."""
    given = {name: value for name, value in fields.items() if value is not None}
    zone = given.get("timezone", zone)
    return {
        name: _time(name, value, zone) if name in TIMES else value for name, value in given.items()
    }


def _time(field: str, text: str, zone: str) -> datetime:
    return read_time(field, text, named_zone(zone))


def _kind(values: dict[str, Any]) -> str | None:
    """Return the kind that the given fields ask for; None when they ask for none."""
    asked = [
        kind
        for kind, name in (("interval", "every_seconds"), ("crontab", "crontab"), ("once", "at"))
        if values.get(name) is not None
    ]
    if len(asked) > 1:
        raise click.UsageError("Give one of --every, --crontab and --at.")
    return asked[0] if asked else None


def _line(line: "Line") -> dict[str, object]:
    last = line.last
    return {
        "name": line.name,
        "when": line.words,
        "state": str(line.state),
        "next": _local(line.next_slot_at, line.timezone),
        "last": f"{last.state} {_local(last.slot_at, line.timezone)}" if last else "",
        "alarm": line.error or line.alarm or "",
    }


def _local(moment: datetime | None, zone: str) -> str:
    """Write a moment in the schedule's zone; UTC where the row's zone is broken."""
    from core.errors import InputError

    if moment is None:
        return "never"
    try:
        return f"{moment.astimezone(named_zone(zone)):%Y-%m-%d %H:%M:%S %Z}"
    except InputError:
        return f"{moment:%Y-%m-%d %H:%M:%S UTC}"


def _run(run: "Run") -> dict[str, object]:
    names = ("slot_at", "reason", "state", "sent_at", "started_at", "finished_at", "actor", "note")
    lengths = {"lag_seconds": run.lag, "duration_seconds": run.duration}
    shown = {name: value and value.total_seconds() for name, value in lengths.items()}
    return {name: getattr(run, name) for name in names} | shown


def _change(change: "Row[Any]") -> dict[str, object]:
    return {
        "changed_at": change.changed_at,
        "actor": change.actor,
        "comment": change.comment,
        "before": json.dumps(change.before),
        "after": json.dumps(change.after),
    }
