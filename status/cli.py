"""`manage.py subscription`: who is told of status events."""

from uuid import UUID

import click

from core.cli import json_option, output
from core.cli_app import application


@click.group()
def subscription() -> None:
    """Add, list and try subscriptions, change their secrets, push again."""


@subscription.command(name="add")
@click.argument("source")
@click.argument("url")
@click.option(
    "--events", multiple=True, metavar="TYPES", help="Types, by commas; all unless given."
)
@json_option
def add_subscription(source: str, url: str, events: tuple[str, ...], *, as_json: bool) -> None:
    """Tell URL of what happens to the invoices of SOURCE; prints the secret, this once."""
    from core.db import reading, unit_of_work
    from core.settings import current
    from status import queries, subscriptions

    types = [name.strip() for text in events for name in text.split(",")]
    subscriptions.check_target(url, settings=current())
    with application():
        with reading() as connection:
            source_id = queries.source_id(connection, source)
        with unit_of_work() as connection:
            new, secret = subscriptions.subscribe(
                connection, source_id, url, types, settings=current()
            )
    _print_secret(new, secret, as_json=as_json)


@subscription.command(name="list")
@json_option
def list_subscriptions(*, as_json: bool) -> None:
    """List the subscriptions of all sources."""
    from core.db import reading
    from status import queries

    with application(), reading() as connection:
        rows = queries.all_subscriptions(connection)
    if not as_json:
        rows = [{**row, "event_types": ", ".join(row["event_types"]) or "all"} for row in rows]
    output(rows, as_json)


@subscription.command(name="rotate")
@click.argument("subscription_id", metavar="ID", type=click.UUID)
@json_option
def rotate_secret(subscription_id: UUID, *, as_json: bool) -> None:
    """Make a new secret for ID and print it, this once; the old one lives for 24 hours."""
    from core.db import unit_of_work
    from core.editing import By
    from core.settings import current
    from core.staff import command_line_user
    from status import subscriptions

    with application(), unit_of_work() as connection:
        found = subscriptions.locked(connection, None, subscription_id)
        by = By(command_line_user())
        secret = subscriptions.rotate_secret(connection, found, by, settings=current())
    _print_secret(subscription_id, secret, as_json=as_json)


@subscription.command(name="test")
@click.argument("subscription_id", metavar="ID", type=click.UUID)
@json_option
def test_subscription(subscription_id: UUID, *, as_json: bool) -> None:
    """Push a webhook.test to ID; a worker must be running."""
    from core.db import unit_of_work
    from status import queries, replays

    with application(), unit_of_work() as connection:
        found = queries.subscription(connection, None, subscription_id)
        push_id = replays.send_test(connection, found)
    output({"subscription": str(subscription_id), "push": str(push_id)}, as_json)


@subscription.command(name="replay")
@click.argument("subscription_id", metavar="ID", type=click.UUID)
@click.option("--since", required=True, metavar="TIME", help="Such as 2026-11-22T08:30:00Z.")
@json_option
def replay_subscription(subscription_id: UUID, since: str, *, as_json: bool) -> None:
    """Push every event since TIME again that ID was to hear of."""
    from pydantic_core import PydanticCustomError

    from core.db import unit_of_work
    from status import queries, replays
    from status.schemas import read_moment

    try:
        moment = read_moment(since)
    except PydanticCustomError as error:
        raise click.BadParameter(error.message(), param_hint="--since") from error
    with application(), unit_of_work() as connection:
        found = queries.subscription(connection, None, subscription_id)
        done = replays.replay(connection, found, moment)
    output({"replayed": done.again, "unparked": done.unparked}, as_json)


def _print_secret(subscription_id: UUID, secret: str, *, as_json: bool) -> None:
    output({"subscription": str(subscription_id), "secret": secret}, as_json)
    if not as_json:
        click.echo("Keep the secret: it is not shown again.", err=True)
