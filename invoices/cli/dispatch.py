"""`manage.py dispatch`: pause all that goes out, see what waits, and let it go."""

from typing import Any

import click

from core.cli import json_option, output
from core.cli_app import application


@click.group()
def dispatch() -> None:
    """Pause and resume invoices, pushes, reports by mail, bulk acts and the mailbox.

    After a restore dispatch stays paused until somebody has looked.
    """


@dispatch.command()
@click.option("--list", "shows_list", is_flag=True, help="List deliveries in flight one by one.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=200, show_default=True)
@json_option
def status(limit: int, *, shows_list: bool, as_json: bool) -> None:
    """Say whether dispatch is paused, what is in flight, and what resuming would do.

    In flight is what was under way or unknown, and after a restore also what waits at providers
    that honour no dispatch key: it may have been sent since the backup.
    """
    from core import pauses
    from core.db import reading
    from invoices.services import resuming

    with application(), reading() as connection:
        lasting = pauses.current(connection)
        lines = resuming.foresee(connection)
        listed = resuming.in_flight(connection, limit) if shows_list or as_json else []
    rows = [
        {
            "kind": line.kind,
            "provider": line.provider,
            "state": line.state,
            "count": line.count,
            "oldest": line.oldest,
            "then": str(line.fate),
        }
        for line in lines
    ]
    flying: list[dict[str, Any]] = [row._asdict() for row in listed]
    if as_json:
        paused = lasting and {
            "reason": lasting.reason,
            "since": lasting.since,
            "by": lasting.by,
            "restored_from": lasting.restored_from,
        }
        output({"paused": paused, "work": rows, "in_flight": flying}, as_json=True)
        return
    if lasting is None:
        click.echo("dispatch runs")
    elif lasting.restored_from is not None:
        click.echo(f"restored from the backup of {lasting.restored_from:%Y-%m-%d %H:%M:%S} UTC")
    if rows:
        output(rows, as_json=False)
    else:
        click.echo("nothing waits and nothing is under way")
    if shows_list:
        output(flying, as_json=False)


@dispatch.command()
@click.option("--reason", required=True, help="Why; it is kept with your login name.")
def pause(reason: str) -> None:
    """Let nothing go out from now on. What comes in is still taken in."""
    from core import pauses
    from core.db import unit_of_work

    with application(), unit_of_work() as connection:
        pauses.pause(connection, reason)
    click.echo("dispatch is paused; what a worker has begun ends as it would")


@dispatch.command()
@click.option("--reason", required=True, help="Why; it is kept with your login name.")
def resume(reason: str) -> None:
    """Let go out what is due; what may have been sent since a backup becomes unknown first."""
    from core.settings import current
    from invoices.services import resuming

    with application():
        count = resuming.resume(reason, current())
    click.echo("dispatch runs again")
    if count:
        click.echo(
            f"{count} deliveries may have been sent since the backup and are unknown now: look at"
            " what their provider has, then manage.py invoice reconcile or resend each"
        )
