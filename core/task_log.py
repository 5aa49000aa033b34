"""One log line per task: what it was, when it began and ended, how, and how long it took.

A task that takes its process with it (killed, or over the hard time limit) leaves no line of its
own: the worker's main process says so, in Celery's words.
"""

import logging
from contextvars import ContextVar
from time import perf_counter
from typing import Any

from celery import Task, signals

from core import log_context, metrics
from core.clock import rfc3339, utcnow

logger = logging.getLogger("kuvert.task")

LONGEST_RESULT = 200

OUTCOMES = {
    "SUCCESS": "succeeded",
    "FAILURE": "failed",
    "RETRY": "retried",
    "IGNORED": "ignored",
    "REJECTED": "rejected",
}
"""Celery's states in our words."""

_began: ContextVar[tuple[str, float] | None] = ContextVar("kuvert_task_began", default=None)


def begin(task_id: str = "", task: "Task[Any, Any] | None" = None, **_: object) -> None:
    """Note when a task begins, and put its name and id into each of its lines."""
    _began.set((rfc3339(utcnow()), perf_counter()))
    log_context.begin(task=task.name if task else None, task_id=task_id)


def end(
    task_id: str = "",
    task: "Task[Any, Any] | None" = None,
    retval: object = None,
    state: str | None = None,
    **_: object,
) -> None:
    """Write the line of a task that has ended."""
    started_at, began = _began.get() or (None, perf_counter())
    outcome = OUTCOMES.get(state or "", "unknown")
    seconds = perf_counter() - began
    if task is not None:
        metrics.task(task.name, outcome, seconds)
    fields: dict[str, object] = {
        "task": task.name if task else None,
        "task_id": task_id,
        "outcome": outcome,
        "started_at": started_at,
        "ended_at": rfc3339(utcnow()),
        "duration_ms": round(seconds * 1000, 1),
    }
    fields |= _ending(retval, outcome)
    level = logging.WARNING if outcome == "failed" else logging.INFO
    logger.log(level, "task", extra=fields)
    log_context.end()


def _ending(retval: object, outcome: str) -> dict[str, object]:
    """Return the result of a task, which is a count or one line, or what it failed with."""
    if outcome == "failed":
        # What it says is in the line of Celery that comes with the traceback.
        return {"error": type(retval).__name__}
    return {} if retval is None else {"result": str(retval)[:LONGEST_RESULT]}


def connect_signals() -> None:
    """Have every task of this process write its line; asked twice, it writes one all the same."""
    signals.task_prerun.connect(begin, weak=False)
    signals.task_postrun.connect(end, weak=False)
