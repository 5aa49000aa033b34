"""`manage.py up`: web, worker and beat under one command."""

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.settings import Settings, current

if TYPE_CHECKING:
    from core.supervisor import Child
    from invoices.demo import Demonstration
    from invoices.trial import Trial

WIDTH = 120
FIRST_ADMIN = "admin@localhost"
DEFAULT_PUBLIC_URL = "http://127.0.0.1:8000"
MANAGE = Path(__file__).resolve().parents[2] / "manage.py"


@click.command()
@click.option("--bind", default="127.0.0.1:8000", show_default=True, metavar="HOST:PORT")
@click.option("--demo", is_flag=True, help="Set up a sandbox and send sample invoices through it.")
def up(bind: str, *, demo: bool) -> int:
    """Run web, worker and beat until Ctrl-C; a child that dies is started again.

    Brings the database to the schema of this code first. Without any settings it keeps
    everything in KUVERT_HOME and needs no server.
    """
    from core.cli_run import check_bind
    from core.supervisor import supervise

    check_bind(bind)
    settings = current()
    trial, key = _prepare(settings, demo=demo)
    children = _children(bind, trial, settings)
    if trial is None or key is None:
        return supervise(children)
    show = _demonstration(bind, key)
    _greet(trial, bind)
    thread = threading.Thread(target=_demonstrate, args=(show, bind), name="demo", daemon=True)
    thread.start()
    try:
        return supervise(children)
    finally:
        show.stop()
        thread.join(timeout=12)


def _prepare(settings: Settings, *, demo: bool) -> "tuple[Trial | None, str | None]":
    """Bring the schema up and, for the demonstration, set up what it needs."""
    from core import migrations
    from core.cli_app import application
    from core.db import database, unit_of_work
    from core.people import services
    from invoices import trial

    with application():
        migrations.upgrade(database(), timezone=settings.timezone.key)
        with unit_of_work() as connection:
            _tell_admin(services.add_first(connection, FIRST_ADMIN))
        if not demo:
            return None, None
        with unit_of_work() as connection:
            return trial.prepare(connection, settings), trial.short_key(connection)


def _tell_admin(password: str | None) -> None:
    if password:
        click.echo(f"Nobody could log in yet, so there is a first admin, {FIRST_ADMIN}.")
        click.echo("The password, shown this once:\n")
        click.echo(f"    {password}\n")


def _children(bind: str, trial: "Trial | None", settings: Settings) -> "list[Child]":
    """Return the processes in the order in which they start."""
    from core.supervisor import Child

    # The demonstration shows invoices; the children only speak up when something is wrong.
    extra = {"KUVERT_LOG_LEVEL": "WARNING"} if trial and settings.log_level == "INFO" else {}
    if settings.log_format == "auto":
        # Each line gets the name of its process in front, so it is for people and never JSON.
        extra["KUVERT_LOG_FORMAT"] = "console"
    if settings.public_url == DEFAULT_PUBLIC_URL:
        extra["KUVERT_PUBLIC_URL"] = f"http://{_reachable(bind)}"
    children = [
        Child("web", _manage("web", "--embedded", "--bind", bind), extra),
        Child("worker", _manage("worker"), extra),
        Child("beat", _manage("beat"), extra),
    ]
    sandboxes = _sandboxes(bind, trial, extra) if trial else []
    return [*sandboxes, *children]


def _sandboxes(bind: str, trial: "Trial", extra: dict[str, str]) -> "list[Child]":
    """Return one sandbox for each of the trial's providers; each calls back as its own."""
    from core.supervisor import Child

    secret = {"SANDBOX_SECRET": trial.secret_file.read_text(encoding="ascii").strip()}
    base = f"http://{_reachable(bind)}/callbacks"
    common = ("--secret-ref", "env:SANDBOX_SECRET")
    return [
        Child(
            code,
            _manage("sandbox", "--bind", where, "--callback-url", f"{base}/{code}", *common),
            {**extra, **secret},
        )
        for code, where in trial.binds.items()
    ]


def _manage(*arguments: str) -> list[str]:
    return [sys.executable, str(MANAGE), *arguments]


def _reachable(bind: str) -> str:
    """Return the address under which we ourselves reach what listens on `bind`."""
    host, _, port = bind.rpartition(":")
    return f"127.0.0.1:{port}" if host in {"0.0.0.0", "[::]", "::"} else bind  # noqa: S104 - compared


def _demonstration(bind: str, key: str) -> "Demonstration":
    from rich.console import Console

    from invoices.demo import Demonstration

    # A pipe has no width of its own; there nothing is cut off.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    return Demonstration(f"http://{_reachable(bind)}", key, console)


def _greet(trial: "Trial", bind: str) -> None:
    if trial.new_key:
        click.echo("A test source 'trial' is set up. Its API key, shown this once:\n")
        click.echo(f"    {trial.new_key}\n")
    click.echo(f"Starting Kuvert at http://{bind} …")


def _demonstrate(show: "Demonstration", bind: str) -> None:
    is_complete = show.run()
    state = "is up" if is_complete else "is up, but not every sample has come to rest"
    click.echo(
        f"\nKuvert {state} at http://{bind} (log in at /login, API docs at /docs). Ctrl-C stops it."
    )
