"""What the worker takes from a queue, and what it sets aside."""

import json
import pickle
from typing import Any

import pytest
from celery import Task
from kombu import Message

from core.consumer import problem

ID = "01a2032d-7a5f-7fcb-9811-f09781f36923"


class Send(Task):  # type: ignore[type-arg]
    """A task with the arguments of ours, registered nowhere."""

    name = "tasks.sendInvoice"

    def run(self, token_or_id: str, ids: list[str] | None = None) -> None:
        """Do nothing."""


def message(body: object, content_type: str = "application/json", **headers: object) -> Message:
    told: dict[str, Any] = {"task": "tasks.sendInvoice", "id": "1", **headers}
    raw: Any = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Message(
        body=raw,
        content_type=content_type,
        content_encoding="utf-8",
        headers=told,
        accept={"application/json"},
    )


def judged(sent: Message) -> str | None:
    tasks: dict[str, Task[Any, Any]] = {"tasks.sendInvoice": Send()}
    return problem(sent, tasks)


@pytest.mark.parametrize("args", [[ID], [ID, [ID, ID]], [ID, None]])
def test_ids_are_taken(args: list[object]) -> None:
    assert judged(message([args, {}, {}])) is None


def test_keyword_arguments_are_taken() -> None:
    assert judged(message([[], {"token_or_id": ID}, {}])) is None


def test_wishes_are_struck_out() -> None:
    """Q12."""
    sent = message(
        [[ID], {}, {}],
        eta="9999-01-01T00:00:00",
        expires="2020-01-01T00:00:00",
        timelimit=[-1, 1],
        stamps=5,
    )

    assert judged(sent) is None
    assert sent.headers == {"task": "tasks.sendInvoice", "id": "1"}


def test_the_run_of_a_schedule_is_kept() -> None:
    sent = message([[ID], {}, {}], kuvert_run=ID)

    assert judged(sent) is None
    assert sent.headers["kuvert_run"] == ID


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (message([[ID], {}, {}], kuvert_run="../1"), "kuvert_run is no id"),
        (message([[ID], {}, {}], kuvert_run=5), "kuvert_run is no id"),
        (message([[ID], {}, {}], task="tasks.nope"), "no task is called 'tasks.nope'"),
        (message([[ID], {}, {}], timelimit=["a", "b"]), "timelimit"),
        (message([[ID], {}, {}], timelimit=7), "timelimit"),
        (message([[ID], {}, {}], timelimit=[1, 2, 3]), "timelimit"),
        (message([[ID], {}, {}], timelimit={"soft": 1}), "timelimit"),
        (message([[ID], {}, {}], id=5), "id is no text"),
        (message([[ID], {}, {}], expires="soon"), "expires"),
        (message([[ID], {}, {}], retries="many"), "retries"),
        (message(b'[["01a2'), "cannot be read"),
        (message(pickle.dumps([]), "application/x-python-serialize"), "cannot be read"),
        (message(b"\x1f\x8b", compression="application/x-gzip"), "cannot be read"),
        (message({}), "not that of a task"),
        (message([[ID], {}, 5]), "further tasks"),
        (message([[ID], {}, {"callbacks": [{"task": "tasks.sendInvoice"}]}]), "further tasks"),
        (message([[], {}, {}]), "wrong arguments"),
        (message([[ID, [ID], ID], {}, {}]), "wrong arguments"),
        (message([[5], {}, {}]), "no id"),
        (message([["../1"], {}, {}]), "no id"),
        (message([[ID, [ID, None]], {}, {}]), "no id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_run_is_named(sent: Message, why: str) -> None:
    """Q01, Q02, Q03, Q04, Q13."""
    found = judged(sent)

    assert found is not None
    assert why in found
