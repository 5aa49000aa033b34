"""`manage.py task send`: put a message on its queue by its wire name."""

import json

import click

from core.queues import QUEUE_OF, TaskName


@click.group()
def task() -> None:
    """Send tasks by their wire names."""


@task.command()
@click.argument(
    "wire_name", metavar="WIRE_NAME", type=click.Choice([str(name) for name in TaskName])
)
@click.argument("args_json", required=False, default="[]")
def send(wire_name: str, args_json: str) -> None:
    """Send WIRE_NAME with the arguments ARGS_JSON, a JSON array."""
    from core.broker import BROKER_ERRORS
    from core.consumer import bad_arguments
    from core.errors import UnavailableError
    from core.worker import celery

    arguments = _array(args_json)
    why = bad_arguments(celery.tasks[wire_name], arguments, {})
    if why is not None:
        raise click.BadParameter(why, param_hint="ARGS_JSON")
    try:
        sent = celery.send_task(wire_name, args=arguments)
    except BROKER_ERRORS as error:
        raise UnavailableError(f"the broker took nothing: {error}") from error
    click.echo(f"{wire_name} is on {QUEUE_OF[TaskName(wire_name)]} as {sent.id}")


def _array(text: str) -> list[object]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="ARGS_JSON") from error
    if not isinstance(value, list):
        raise click.BadParameter("expected a JSON array", param_hint="ARGS_JSON")
    return value
