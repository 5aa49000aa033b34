"""`manage.py user`: who may log in, and as what."""

import sys

import click

from core.cli import json_option, output
from core.cli_app import application
from core.people.roles import Role

ROLES = click.Choice([role.value for role in Role])
password_option = click.option(
    "--password-stdin",
    "asks_password",
    is_flag=True,
    help="Read the password from standard input instead of making one.",
)


@click.group()
def user() -> None:
    """Add people, give them roles and passwords, let them in or not."""


@user.command(name="add")
@click.argument("email")
@click.option("--role", type=ROLES, required=True)
@password_option
@json_option
def add_user(email: str, role: str, *, asks_password: bool, as_json: bool) -> None:
    """Let the person with the address EMAIL log in; prints the password made, this once."""
    from core.db import unit_of_work
    from core.people import emails, services

    given = _read_password() if asks_password else None
    with application(), unit_of_work() as connection:
        made = services.add(connection, email, role, given)
    shown = {"email": emails.normal(email), "role": role}
    _print(shown, None if given else made, as_json=as_json)


@user.command(name="list")
@json_option
def list_users(*, as_json: bool) -> None:
    """List everybody who has or had access."""
    from core.db import reading
    from core.people import services

    with application(), reading() as connection:
        rows = services.users(connection)
    output(rows, as_json)


@user.command(name="role")
@click.argument("email")
@click.argument("role", type=ROLES)
def set_role(email: str, role: str) -> None:
    """Give EMAIL the role ROLE; they have to log in again."""
    from core.db import unit_of_work
    from core.people import services

    with application(), unit_of_work() as connection:
        services.set_role(connection, email, role)
    click.echo(f"{email} is {role}")


@user.command(name="reset-password")
@click.argument("email")
@password_option
@click.option(
    "--forget-second-factors",
    "is_lost",
    is_flag=True,
    help="Take authenticator app, passkeys and recovery codes away too.",
)
@json_option
def reset_password(email: str, *, asks_password: bool, is_lost: bool, as_json: bool) -> None:
    """Give EMAIL a new password and print it, this once; their sessions end."""
    from core.db import unit_of_work
    from core.people import emails, services

    given = _read_password() if asks_password else None
    with application(), unit_of_work() as connection:
        made = services.reset_password(connection, email, given, forget_second_factors=is_lost)
    _print({"email": emails.normal(email)}, None if given else made, as_json=as_json)


@user.command(name="disable")
@click.argument("email")
def disable_user(email: str) -> None:
    """Let EMAIL in no more; their sessions end."""
    from core.db import unit_of_work
    from core.people import services

    with application(), unit_of_work() as connection:
        services.disable(connection, email)
    click.echo(f"{email} is disabled")


@user.command(name="enable")
@click.argument("email")
def enable_user(email: str) -> None:
    """Let EMAIL in again, with the role and password they had."""
    from core.db import unit_of_work
    from core.people import services

    with application(), unit_of_work() as connection:
        services.enable(connection, email)
    click.echo(f"{email} is enabled")


@user.command(name="unlock")
@click.argument("email")
def unlock_user(email: str) -> None:
    """Forget the failed logins of EMAIL, so that they need not wait."""
    from core.db import unit_of_work
    from core.people import services

    with application(), unit_of_work() as connection:
        services.unlock(connection, email)
    click.echo(f"{email} can log in at once")


def _read_password() -> str:
    """Read a password; nobody sees it, and it is in no list of processes and no history."""
    if sys.stdin.isatty():
        asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked
    return sys.stdin.readline().rstrip("\r\n")


def _print(shown: dict[str, str], made: str | None, *, as_json: bool) -> None:
    output({**shown, **({"password": made} if made else {})}, as_json)
    if made and not as_json:
        click.echo("Pass the password on: it is not shown again.", err=True)
