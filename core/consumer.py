"""The worker's ear: what cannot be run is set aside before it can do harm.

Celery loses some bad messages without a trace and one kind of header ends its main process,
again and again as the message comes back. Here each message is looked at first; a bad one is
rejected, which on the queues of work takes it to the queue `dead`, and the log says why.
"""

import inspect
import logging
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from celery import Task, bootsteps
from celery.worker.consumer import Consumer, Tasks
from celery.worker.state import maybe_shutdown
from kombu import Connection, Message
from kombu.exceptions import KombuError
from sqlalchemy.exc import SQLAlchemyError

from core import notify
from core.broker import BROKER_ERRORS, declare_all
from core.celery_app import KuvertCelery
from core.db import database
from core.schedules.running import HEADER
from core.waiting import Waiting, reach_database

logger = logging.getLogger(__name__)

BODY_PARTS = 3
"""Arguments, keyword arguments and the rest: the body of Celery's message protocol 2."""

KEPT_HEADERS = frozenset(
    {"lang", "task", "id", "retries", "argsrepr", "kwargsrepr", "origin", HEADER}
)
"""All that a task of ours needs; the others are wishes (`timelimit`, `eta`, `stamps` …)."""

UNFORESEEN = (ArithmeticError, AttributeError, EOFError, LookupError, TypeError, ValueError)
"""What a message can make of Celery's main process; a broker that is away raises others."""


PAUSE_SECONDS = 0.5
"""Between two looks for a database that is away; so soon a stop is heard."""

LONGEST_PAUSE = 5
"""Seconds between two looks for a broker that has been away for a while."""

ALIVE_SECONDS = 20.0


class CarefulConsumer(Consumer):
    """Celery's consumer, which hands on only what a task can take.

    It takes nothing before the database has answered once, and waits for a broker that is away.
    """

    app: KuvertCelery

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        self._broker = Waiting("broker", logger)
        super().__init__(*args, **kwargs)

    def start(self) -> None:
        """Wait for the database, then take messages until the worker is to stop."""
        self._wait_for_database()
        super().start()

    def _wait_for_database(self) -> None:
        waiting, pause = Waiting("database", logger), threading.Event()
        with self.app.flask_app.app_context():
            own = database()
        while True:
            maybe_shutdown()
            try:
                reach_database(own)
            except SQLAlchemyError as error:
                waiting.away(error)
                pause.wait(PAUSE_SECONDS)
            else:
                waiting.back()
                return

    def ensure_connected(self, conn: Connection) -> Connection:
        """Return the connection once the broker is there and has our queues.

        Raises:
            SystemExit: a queue is there with other arguments, or the worker is to stop.
        """

        def away(error: Exception, _seconds: float) -> None:
            self._broker.away(error)

        conn.ensure_connection(away, interval_max=LONGEST_PAUSE, callback=maybe_shutdown)
        self._broker.back()
        self.first_connection_attempt = False
        declare_all(conn, self.app.conf.task_queues)
        return conn

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], None]:  # noqa: ANN401
        """Return Celery's own handler behind our look at the message."""
        handle = super().create_task_handler(*args, **kwargs)

        def look_first(message: Message) -> None:
            try:
                why = problem(message, self.app.tasks)
                if why is None:
                    handle(message)
                    return
            except UNFORESEEN as error:
                why = f"{type(error).__name__}: {error}"
            self._set_aside(message, why)

        return look_first

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Set aside what cannot be decoded; Celery would drop it."""
        self._set_aside(message, str(exc))

    def _set_aside(self, message: Message, why: str) -> None:
        logger.error("message set aside", extra={"reason": why, **_shown(message)})
        message.reject_log_error(logger, BROKER_ERRORS)


class Announcing(bootsteps.StartStopStep):
    """Tells the service manager when messages are taken, and that the loop goes round."""

    requires = (Tasks,)

    def start(self, parent: Consumer) -> None:
        """Say so, now and as long as the connection lasts."""
        notify.ready("taking work")
        parent.timer.call_repeatedly(ALIVE_SECONDS, notify.alive)


def problem(message: Message, tasks: Mapping[str, Task[Any, Any]]) -> str | None:
    """Say in one line why a message cannot be run; None when it can.

    Wishes are struck out: what waits for its time waits in the database, and how long a task
    may run is ours to say.
    """
    headers: dict[str, Any] = message.headers or {}
    task = tasks.get(str(headers.get("task")))
    if task is None:
        return f"no task is called {headers.get('task')!r}"
    why = _bad_header(headers) or _bad_body(message, task)
    for name in headers.keys() - KEPT_HEADERS:
        del headers[name]
    return why


def _bad_header(headers: Mapping[str, Any]) -> str | None:
    if not isinstance(headers.get("id"), str):
        return "the header id is no text"
    limits = headers.get("timelimit") or (None, None)
    if not _is_pair(limits) or not all(_is_number_or_none(item) for item in limits):
        return "the header timelimit is no pair of numbers"
    if not isinstance(headers.get("retries") or 0, int):
        return "the header retries is no number"
    if not _is_moment_or_none(headers.get("expires")):
        return "the header expires is no time"
    if HEADER in headers and not _is_id(str(headers[HEADER])):
        return f"the header {HEADER} is no id"
    return None


def _is_pair(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == len(("soft", "hard"))


def _is_number_or_none(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_moment_or_none(value: object) -> bool:
    if value is None:
        return True
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return True


def _bad_body(message: Message, task: Task[Any, Any]) -> str | None:
    """Look at the arguments: they must fit the task, and each is an id or a list of ids."""
    try:
        body = message.decode()
    except (KombuError, OSError, zlib.error, *UNFORESEEN) as error:
        return f"the body cannot be read: {error}"
    if not isinstance(body, list | tuple) or len(body) != BODY_PARTS:
        return "the body is not that of a task"
    args, kwargs, further = body
    if not isinstance(further, dict) or any(further.values()):
        return "the body names further tasks"
    return bad_arguments(task, args, kwargs)


def bad_arguments(task: Task[Any, Any], args: Sequence[Any], kwargs: dict[str, Any]) -> str | None:
    """Say in one line why a task cannot take these arguments; None when it can."""
    try:
        bound = inspect.signature(task.run).bind(*args, **kwargs)
    except TypeError as error:
        return f"wrong arguments: {error}"
    values = [item for item in bound.arguments.values() if item is not None]
    return None if all(_is_id_or_ids(value) for value in values) else "an argument is no id"


def _is_id_or_ids(value: object) -> bool:
    ids = value if isinstance(value, list) else [value]
    return all(isinstance(item, str) and _is_id(item) for item in ids)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _shown(message: Message) -> dict[str, object]:
    """Return what the log says of a message; never its body."""
    headers = message.headers or {}
    information = message.delivery_info or {}
    return {
        "task": str(headers.get("task"))[:100],
        "task_id": str(headers.get("id"))[:60],
        "queue": information.get("routing_key"),
    }
