"""`manage.py provider`: who delivers for us."""

from typing import TYPE_CHECKING, Any

import click

from core.cli import FAILED, json_option, output
from core.cli_app import application

if TYPE_CHECKING:
    from core.editing import By

PROFILES = click.Choice(["standard-webhooks", "hmac-sha256", "basic", "token"])


@click.group()
def provider() -> None:
    """Add, edit, list, pause, drain, resume and test providers."""


@provider.command(name="add")
@click.argument("code")
@click.option("--channel", type=click.Choice(["http", "smtp", "sandbox"]), required=True)
@click.option("--url", help="Where invoices are posted to, or the mail server: smtps://USER@HOST.")
@click.option(
    "--idempotent/--not-idempotent",
    "is_idempotent",
    default=None,
    help="Whether it honours our dispatch key; the sandbox does, others do not unless said.",
)
@click.option("--auth-ref", metavar="REF", help="Where its credentials are: env:NAME, file:PATH.")
@click.option(
    "--callback-secret-ref",
    "secret_refs",
    metavar="REF",
    multiple=True,
    help="Where the secret of its callbacks is; twice while it is changed.",
)
@click.option(
    "--callback-profile",
    type=PROFILES,
    default="standard-webhooks",
    show_default=True,
    help="How its callbacks are signed.",
)
@click.option(
    "--concurrency",
    default=16,
    show_default=True,
    help="Calls at once, per process; mails go one by one.",
)
@click.option(
    "--setting",
    "pairs",
    metavar="NAME=VALUE",
    multiple=True,
    help="Another setting, such as timeout_seconds=10; docs/providers.md lists them.",
)
@json_option
def add_provider(
    *,
    code: str,
    channel: str,
    url: str | None,
    is_idempotent: bool | None,
    auth_ref: str | None,
    secret_refs: tuple[str, ...],
    callback_profile: str,
    concurrency: int,
    pairs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Add the provider CODE."""
    from core.db import unit_of_work
    from core.settings import current
    from invoices import setup

    new = setup.NewProvider(
        code=code,
        channel=channel,
        url=url,
        is_idempotent=channel == "sandbox" if is_idempotent is None else is_idempotent,
        auth_ref=auth_ref,
        callback_profile=callback_profile,
        callback_secret_refs=secret_refs,
        settings=_settings(pairs),
        concurrency=concurrency,
    )
    with application(), unit_of_work() as connection:
        setup.add_provider(connection, new, settings=current())
        row = setup.provider(connection, code)
    output({"provider": code, "state": row.state, "reason": row.state_reason}, as_json)


@provider.command(name="edit")
@click.argument("code")
@click.option("--url", help="Where invoices are posted to.")
@click.option("--idempotent/--not-idempotent", "is_idempotent", default=None)
@click.option("--auth-ref", metavar="REF", help="Where its credentials are; empty: none.")
@click.option("--callback-secret-ref", "secret_refs", metavar="REF", multiple=True, help="All new.")
@click.option("--callback-profile", type=PROFILES)
@click.option("--concurrency", type=int, help="Calls at once, per process.")
@click.option("--setting", "pairs", metavar="NAME=VALUE", multiple=True, help="NAME= takes it out.")
def edit_provider(
    code: str, secret_refs: tuple[str, ...], pairs: tuple[str, ...], **given: object
) -> None:
    """Change the provider CODE; what is not named stays as it is."""
    from core.db import unit_of_work
    from core.settings import current
    from invoices import edits, setup

    values = {name: value for name, value in given.items() if value is not None}
    if secret_refs:
        values["callback_secret_refs"] = list(secret_refs)
    with application(), unit_of_work() as connection:
        found = setup.provider(connection, code)
        if pairs:
            merged = {**found.settings, **_settings(pairs)}
            values["settings"] = {name: value for name, value in merged.items() if value}
        changed = edits.edit_provider(connection, found.id, values, _by(), settings=current())
    click.echo(f"{code}: {', '.join(sorted(changed)) or 'nothing'} changed")


@provider.command(name="list")
@json_option
def list_providers(*, as_json: bool) -> None:
    """List all providers, with references but never a secret."""
    from core.db import reading
    from invoices import setup

    with application(), reading() as connection:
        rows = setup.providers(connection)
    output(rows if as_json else [_readable(row) for row in rows], as_json)


@provider.command(name="pause")
@click.argument("code")
@click.option("--reason", default="paused by command", show_default=True)
def pause_provider(code: str, reason: str) -> None:
    """Give CODE no work until it is resumed."""
    from core.db import unit_of_work
    from invoices import edits

    with application(), unit_of_work() as connection:
        edits.pause_provider(connection, code, reason, _by())
    click.echo(f"{code} is paused")


@provider.command(name="drain")
@click.argument("code")
@click.option("--reason", default="drained by command", show_default=True)
def drain_provider(code: str, reason: str) -> None:
    """Let CODE finish what it has begun, and give it nothing new until it is resumed."""
    from core.db import unit_of_work
    from core.settings import current
    from invoices import edits

    with application(), unit_of_work() as connection:
        edits.drain_provider(connection, code, reason, _by(), settings=current())
    click.echo(f"{code} is draining")


@provider.command(name="resume")
@click.argument("code")
def resume_provider(code: str) -> None:
    """Give CODE work again; its alarm is taken back."""
    from core.db import unit_of_work
    from core.settings import current
    from invoices import edits

    with application(), unit_of_work() as connection:
        edits.resume_provider(connection, code, _by(), settings=current())
    click.echo(f"{code} is active")


def _by() -> "By":
    from core.editing import By
    from core.staff import command_line_user

    return By(command_line_user())


def _settings(pairs: tuple[str, ...]) -> dict[str, str]:
    """Split NAME=VALUE pairs."""
    for pair in pairs:
        if "=" not in pair:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--setting")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


@provider.command(name="test")
@click.argument("code")
@click.option(
    "--to",
    metavar="ADDRESS",
    help="The recipient that the test document names; by mail, who gets it.",
)
@json_option
def test_provider(code: str, to: str | None, *, as_json: bool) -> int:
    """Hand CODE a document that is marked as a test; exit 1 when it does not accept it.

    No invoice is stored, and the document says that it is none.
    """
    from core.db import reading
    from invoices import probing, setup
    from invoices.models import Outcome

    with application():
        with reading() as connection:
            found = setup.provider(connection, code)
        result = probing.probe(found, to)
    shown = {
        "provider": code,
        "outcome": str(result.outcome),
        "detail": result.detail,
        "http_status": result.http_status,
        "response": result.response,
        "reference": result.reference,
    }
    output(shown, as_json)
    return 0 if result.outcome == Outcome.ACCEPTED else FAILED


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """Leave to people what they look for in a table."""
    names = ("code", "channel", "url", "is_idempotent", "state", "state_reason", "alarm")
    return {name: row[name] for name in names}
