"""`manage.py audit`: who changed what, and why."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from core.cli import json_option, output
from core.cli_app import application
from core.settings import current as settings

if TYPE_CHECKING:
    from sqlalchemy import Row

LONGEST_VALUE = 80


@click.group()
def audit() -> None:
    """See who changed what, and why."""


@audit.command(name="list")
@click.option("--kind", metavar="TABLE", help="Only changes of a table, such as providers.")
@click.option("--row", "row_id", metavar="ID", help="Only changes of the row with this id.")
@click.option("--actor", metavar="WHO", help="Only what WHO did, as the list names him.")
@click.option("--since", metavar="TIME", help="From TIME on (ISO 8601, local in KUVERT_TIMEZONE).")
@click.option("--until", metavar="TIME", help="Before TIME.")
@click.option("--text", help="Only entries whose name, reason or values hold this text.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_entries(
    *,
    kind: str | None,
    row_id: str | None,
    actor: str | None,
    since: str | None,
    until: str | None,
    text: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List changes of the configuration, newest first."""
    from core.audit import Filter, search
    from core.db import reading
    from core.retention import queries as retention

    wanted = Filter(
        actor=actor,
        kind=kind,
        row_id=row_id,
        since=_time("since", since),
        until=_time("until", until),
        text=text,
    )
    with application(), reading() as connection:
        rows = search(connection, wanted, count=limit)
        if gone := retention.removed(connection, "audit"):
            click.echo(f"Note: {gone}", err=True)
    output([_full(row) if as_json else _in_short(row) for row in rows], as_json)


def _time(name: str, text: str | None) -> datetime | None:
    from core.schedules.timing import read_time

    return read_time(name, text, settings().timezone) if text else None


def _full(row: "Row[Any]") -> dict[str, Any]:
    return row._asdict()


def _in_short(row: "Row[Any]") -> dict[str, Any]:
    return {
        "at": f"{row.at.astimezone(settings().timezone):%Y-%m-%d %H:%M:%S}",
        "actor": row.actor,
        "what": f"{row.operation} {row.kind}",
        "label": row.label,
        "changes": "; ".join(_changes(row)),
        "reason": row.reason,
    }


def _changes(row: "Row[Any]") -> list[str]:
    names = dict.fromkeys([*row.before, *row.after])
    return [_change(name, row.before.get(name), row.after.get(name)) for name in names]


def _change(name: str, before: object, after: object) -> str:
    old, new = (_value(value) for value in (before, after))
    return f"{name}: {old} → {new}" if old else f"{name}: {new or 'empty'}"


def _value(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
