"""One line per task."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, Task

from core import log_context, task_log


@pytest.fixture
def celery() -> Iterator[Celery]:
    app = Celery("of a test", set_as_current=False)
    task_log.connect_signals()
    yield app
    log_context.end()


def run(task: "Task[Any, Any]", caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Run a task as a worker does and return the fields of its line."""
    caplog.set_level(logging.INFO)
    task.apply(task_id="id-1")
    [record] = [one for one in caplog.records if one.name == "kuvert.task"]
    return vars(record)


def test_a_task_leaves_one_line(celery: Celery, caplog: pytest.LogCaptureFixture) -> None:
    @celery.task(name="tasks.some")
    def some() -> str:
        return "handed out 3"

    said = run(some, caplog)

    assert (said["task"], said["task_id"]) == ("tasks.some", "id-1")
    assert (said["outcome"], said["result"]) == ("succeeded", "handed out 3")
    assert said["started_at"] <= said["ended_at"]
    assert said["duration_ms"] >= 0
    assert said["levelname"] == "INFO"


def test_a_task_that_fails_says_with_what(celery: Celery, caplog: pytest.LogCaptureFixture) -> None:
    @celery.task(name="tasks.bad")
    def bad() -> None:
        raise ValueError("password=hunter2")

    said = run(bad, caplog)

    assert (said["outcome"], said["error"], said["levelname"]) == (
        "failed",
        "ValueError",
        "WARNING",
    )


def test_lines_inside_a_task_belong_to_it(celery: Celery, caplog: pytest.LogCaptureFixture) -> None:
    bound: dict[str, object] = {}

    @celery.task(name="tasks.look")
    def look() -> None:
        bound.update(log_context.bound())

    run(look, caplog)

    assert bound == {"task": "tasks.look", "task_id": "id-1"}
    assert dict(log_context.bound()) == {}


def test_asked_twice_one_line_is_written(celery: Celery, caplog: pytest.LogCaptureFixture) -> None:
    task_log.connect_signals()

    @celery.task(name="tasks.once")
    def once() -> None: ...

    assert "result" not in run(once, caplog)
