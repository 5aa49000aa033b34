"""The broker: whether it answers, its queues, and how long it lets a message be held."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from amqp.exceptions import AccessRefused, PreconditionFailed
from celery import Celery
from kombu import Connection, Queue

from core.broker import BROKER_ERRORS, DEAD_QUEUE
from core.depths import depths
from core.doctor.findings import Finding, Patient, fail, ok, skipped, warn
from core.errors import UnavailableError
from core.setting_values import LOOPBACK
from core.settings import Settings

CONNECT_SECONDS = 3
ASK_SECONDS = 8.0

NEEDED_SECONDS = 1200
"""A message may wait unacknowledged behind another one; each may run for ten minutes."""

_START_IT = "start RabbitMQ, or mend KUVERT_BROKER_URL; what waits in the database is sent then"
_AWAY = "the broker does not answer"

# What RabbitMQ itself is to say: the limit, and the ports, to know that it is ours.
_QUESTION = (
    "{application:get_env(rabbit, consumer_timeout), "
    "[P || {listener,_,amqp,_,_,P,_} <- rabbit_networking:active_listeners()]}."
)
_ANSWER = re.compile(r"\{(?:\{ok,(\w+)\}|undefined),\s*\[([\d,\s]*)\]\}")


def reachable(patient: Patient) -> Iterator[Finding]:
    """Connect, and say which broker is there."""
    celery: Celery = patient.app.extensions["celery"]
    if _is_folder(patient.settings):
        yield _folder(celery)
        return
    try:
        with _connected(celery) as connection:
            said: Any = connection.connection.server_properties
            yield ok(f"{said.get('product', 'a broker')} {said.get('version', '')}".strip())
    except BROKER_ERRORS as error:
        yield fail(
            f"{_where(patient.settings)} cannot be used: {_line(error)}; invoices are accepted and"
            " wait",
            _START_IT,
        )


def _folder(celery: Celery) -> Finding:
    folder = Path(celery.conf.broker_transport_options["data_folder_in"])
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ok("a folder; for one machine")
    except OSError as error:
        return fail(f"{folder} cannot be written: {error.strerror}", "mend its owner and mode")


def queues(patient: Patient) -> Iterator[Finding]:
    """See that each queue is there as Kuvert declares it; makes none."""
    celery: Celery = patient.app.extensions["celery"]
    if _is_folder(patient.settings):
        yield skipped("a folder has no arguments")
        return
    try:
        with _connected(celery) as connection:
            names = (DEAD_QUEUE, *celery.conf.task_queues)
            states = {queue.name: _state(connection, queue, patient.settings) for queue in names}
    except BROKER_ERRORS:
        yield skipped(_AWAY)
        return
    yield from (state for state in states.values() if isinstance(state, Finding))
    missing = [name for name, state in states.items() if state is None]
    if missing:
        yield warn(
            f"not there yet: {', '.join(missing)}", "start a worker; it makes all queues at once"
        )
    if not missing and not any(isinstance(state, Finding) for state in states.values()):
        yield ok(f"{len(states)} queues, as they should be")


def _state(connection: Connection, queue: Queue, settings: Settings) -> "Finding | bool | None":
    """Return what is wrong with a queue, True when nothing is, None when it is not there."""
    try:
        with connection.channel() as channel:
            queue(channel).queue_declare(passive=True)
        # It is there, so this makes none: RabbitMQ compares the arguments.
        with connection.channel() as channel:
            queue(channel).queue_declare()
    except PreconditionFailed as error:
        host = _virtual_host(settings)
        return fail(
            f"it exists with other arguments: {error.reply_text}; no worker can start",
            f"stop the workers, let it run empty, rabbitmqctl delete_queue -p {host} {queue.name},"
            " start a worker; or set KUVERT_QUEUE_TYPE as it was",
            about=queue.name,
        )
    except AccessRefused as error:
        return fail(
            f"the broker lets us not: {error.reply_text}",
            f"rabbitmqctl set_permissions -p {_virtual_host(settings)} USER '.*' '.*' '.*'",
            about=queue.name,
        )
    except connection.channel_errors:
        return None
    return True


def consumer_timeout(patient: Patient) -> Iterator[Finding]:
    """Compare how long RabbitMQ lets a message be held with how long a task may hold one."""
    by_hand = f"run there as root: rabbitmqctl eval '{_QUESTION}'"
    if _is_folder(patient.settings):
        yield skipped("a folder has none")
        return
    parts = urlsplit(patient.settings.broker_url)
    said = _ask_rabbitmq() if parts.hostname in LOOPBACK else None
    if said is None or (parts.port or 5672) not in said[1]:
        yield skipped("RabbitMQ tells its consumer_timeout to root on its own host alone", by_hand)
        return
    seconds, _ = said
    if seconds is None:
        yield ok("RabbitMQ lets a message be held for ever")
    elif seconds < NEEDED_SECONDS:
        yield warn(
            f"RabbitMQ takes a message back after {seconds:g} s and closes the channel; a task may"
            f" hold one for {NEEDED_SECONDS} s",
            "set consumer_timeout = 1800000 (milliseconds) in rabbitmq.conf and restart it",
        )
    else:
        yield ok(f"RabbitMQ lets a message be held for {seconds:g} s, {NEEDED_SECONDS} are needed")


def _ask_rabbitmq() -> tuple[float | None, list[int]] | None:
    """Return its limit in seconds, None for none, and its ports; None when it does not tell us."""
    program = shutil.which("rabbitmqctl")
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a program of the machine, with our own words
            [program, "-q", "eval", _QUESTION],
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    answer = _ANSWER.search(done.stdout)
    if done.returncode or answer is None:
        return None
    milliseconds = answer[1] or ""
    ports = [int(port) for port in answer[2].split(",") if port.strip()]
    return (int(milliseconds) / 1000 if milliseconds.isdigit() else None), ports


def dead_letters(patient: Patient) -> Iterator[Finding]:
    """Say whether messages were set aside."""
    try:
        found = {one.queue: one.messages for one in depths(patient.app.extensions["celery"])}
    except UnavailableError:
        yield skipped(_AWAY)
        return
    count = found.get(DEAD_QUEUE.name) or 0
    if not count:
        yield ok("none")
        return
    host = _virtual_host(patient.settings)
    yield warn(
        f"{count} messages could not be run and were set aside; no invoice is lost by that",
        "the log says why (“message set aside”); then"
        f" rabbitmqctl purge_queue -p {host} {DEAD_QUEUE.name}",
    )


def _connected(celery: Celery) -> Connection:
    connection = celery.connection_for_write(connect_timeout=CONNECT_SECONDS)
    connection.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)
    return connection


def _is_folder(settings: Settings) -> bool:
    return settings.broker_url.startswith("filesystem")


def _where(settings: Settings) -> str:
    parts = urlsplit(settings.broker_url)
    return f"{parts.hostname}:{parts.port or 5672}, virtual host {_virtual_host(settings)}"


def _virtual_host(settings: Settings) -> str:
    return unquote(urlsplit(settings.broker_url).path.removeprefix("/")) or "/"


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
