"""House rules of what is wired together at run time."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator

import click
import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

import manage
from core import access, cli_run, migrations, pump
from core.broker import queues
from core.db import reading
from core.queues import QUEUE_OF, SIGNALS, WORK, TaskName
from core.schedules.models import Schedule
from tests.conventions.sources import calls
from tests.support.commands import every_command

# What a caller proves itself with, where it is no API key.
OPEN = {
    "/healthz": "for load balancers",
    "/readyz": "for load balancers",
    "/metrics": "for Prometheus, with a token or on this machine",
    "/openapi.json": "public, as documentation is",
    "/docs": "public, as documentation is",
    "/docs/<name>": "public, as documentation is",
    "/static/<path:filename>": "public",
    "/callbacks/<provider>": "the provider's signature",
}

# Pages for whoever is about to log in; the others of that blueprint ask for a session.
LOGIN = {
    "/fs-static/<path:filename>": "public",
    "/login": "the password is asked here",
    "/logout": "ends a session where there is one",
    "/tf-select": "after the password",
    "/tf-validate": "after the password",
    "/tf-rescue": "after the password",
    "/mf-recovery": "after the password",
    "/tf-setup": "after the password, or with a session",
    "/wan-signin": "a passkey is asked here",
    "/wan-signin/<token>": "a passkey is asked here",
}


# Tasks and queues


def test_every_task_is_registered_under_its_wire_name(app: Flask) -> None:
    celery = app.extensions["celery"]
    celery.finalize()

    ours = {name for name in celery.tasks if not name.startswith("celery.")}
    assert ours == {str(name) for name in TaskName}


def test_every_task_has_a_queue() -> None:
    assert set(QUEUE_OF) == set(TaskName)
    assert set(QUEUE_OF.values()) == {*SIGNALS, *WORK}


def test_every_queue_is_declared_and_consumed_by_the_default_worker() -> None:
    declared = {queue.name for queue in queues("classic")}

    assert declared == set(QUEUE_OF.values())
    assert set(cli_run._chosen(None).split(",")) == declared


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_a_signal_is_one_message_and_work_is_never_dropped(queue_type: str) -> None:
    arguments = {queue.name: queue.queue_arguments or {} for queue in queues(queue_type)}

    assert all(arguments[name]["x-max-length"] == 1 for name in SIGNALS)
    assert not any("x-max-length" in arguments[name] for name in WORK)
    assert all(arguments[name]["x-dead-letter-exchange"] for name in WORK)


def test_every_pump_has_a_timer_in_the_schedule(app: Flask) -> None:
    with reading() as connection:
        tasks = set(connection.scalars(select(Schedule.__table__.c.task)))

    assert tasks <= {str(name) for name in TaskName}
    assert {str(one.pump) for one in pump.registered()} <= tasks


def test_every_pump_hands_out_to_a_queue_of_work(app: Flask) -> None:
    for one in pump.registered():
        assert QUEUE_OF[one.pump] in SIGNALS
        assert QUEUE_OF[one.work] in WORK
        assert {"id", "due_at", "lease_token"} <= set(one.table.c.keys())


# Migrations


def test_there_is_one_migration_head() -> None:
    script = ScriptDirectory(str(migrations.FOLDER))

    assert script.get_heads() == [migrations.head()]
    numbers = [path.name[:4] for path in sorted((migrations.FOLDER / "versions").glob("*.py"))]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


# Routes


def rules(app: Flask) -> list[Rule]:
    """Return the routes for programs and for everybody."""
    known = app.url_map.iter_rules()
    return [
        rule
        for rule in known
        if not rule.rule.startswith("/admin") and not rule.endpoint.startswith("security.")
    ]


def asks_for_the_caller(view: Callable[..., object]) -> bool:
    """Tell whether a view calls `caller`, itself or through a function of its module."""
    module = inspect.getmodule(view)
    source = ast.parse(textwrap.dedent(inspect.getsource(view)))
    if calls(source, "caller"):
        return True
    helpers = {name for name in vars(module) if name.startswith("_")}
    return any(
        calls(ast.parse(textwrap.dedent(inspect.getsource(vars(module)[name]))), "caller")
        for name in helpers
        if calls(source, name) and inspect.isfunction(vars(module)[name])
    )


def test_every_route_states_its_authentication(app: Flask) -> None:
    silent = {
        rule.rule
        for rule in rules(app)
        if rule.rule not in OPEN and not asks_for_the_caller(app.view_functions[rule.endpoint])
    }
    assert silent == set()


def test_every_route_of_the_api_refuses_whoever_has_no_key(app: Flask) -> None:
    client = app.test_client()
    for rule in rules(app):
        if rule.rule in OPEN:
            continue
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", "0190f3a0-0000-7000-8000-000000000000")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = client.open(path, method=method)
            assert answer.status_code == 401, f"{method} {path}"
            assert answer.content_type == "application/problem+json"


def test_every_page_of_staff_asks_for_a_session(app: Flask) -> None:
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("security.") or rule.rule in LOGIN:
            continue
        answer = client.get(rule.rule.replace("<token>", "x"))
        if "GET" in (rule.methods or set()):
            assert answer.headers["Location"].startswith("/login"), rule.rule
        else:
            assert answer.status_code == 405


def test_no_form_of_staff_is_taken_without_its_token(app: Flask) -> None:
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("security.") and "POST" in (rule.methods or set()):
            answer = client.post(rule.rule.replace("<token>", "x"))
            assert answer.status_code == 400, rule.rule


def test_keys_are_checked_by_somebody(app: Flask) -> None:
    assert len(access._registered) == 1


# Commands


def commands() -> Iterator[tuple[str, click.Command]]:
    for path, command in every_command(manage.COMMANDS):
        yield " ".join(path), command


def test_every_command_says_what_it_does() -> None:
    assert [name for name, command in commands() if not command.help] == []


def test_every_listing_has_json() -> None:
    without = [
        name
        for name, command in commands()
        if name.endswith((" list", " show", " history", " totals", " preview"))
        and "--json" not in {text for option in command.params for text in option.opts}
    ]
    assert without == []


def test_no_option_takes_a_password() -> None:
    options = {text for _, command in commands() for one in command.params for text in one.opts}
    assert not {"--password", "--secret", "--token"} & options
