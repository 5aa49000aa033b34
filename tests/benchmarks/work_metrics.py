"""What counting costs a request: the same requests with and without it, in one process."""

import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.test import EnvironBuilder

from core import metrics
from core.app import create_app
from core.settings import Settings
from tests.benchmarks.kuvert import Desk
from tests.benchmarks.report import Goal, Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage

COUNT, ROUNDS = 300, 31
"""Short turns, many of them: the difference is small, and the machine does other things."""

MOST_OF_NOTHING, MOST_OF_WORK = 1.57, 1.1
"""Of a view that does nothing at all; of a call that is answered from the database."""


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Ask for a page that does nothing, and for a list of invoices by key."""
    settings = Settings.from_environment(stage.environ, root=Path.cwd())
    app = create_app(settings)
    key = {"Authorization": f"Bearer {desk.keys['now']}"}
    return [
        _row("an empty answer, counted", app, "/healthz", {}, MOST_OF_NOTHING),
        _row("a page of invoices, counted", app, "/api/v1/invoices?limit=1", key, MOST_OF_WORK),
    ]


def _row(name: str, app: Flask, path: str, headers: dict[str, str], most: float) -> Row:
    ask = _asking(app, path, headers)
    with tempfile.TemporaryDirectory() as folder:
        try:
            ours, other = in_turns(
                lambda: _counted(Path(folder), ask), lambda: _microseconds(ask), rounds=ROUNDS
            )
        finally:
            metrics.end()
    return Row(
        name=name,
        ours=ours,
        other=other,
        against="not counted",
        unit="µs",
        goal=most,
        kind=Goal.AT_MOST,
    )


def _counted(folder: Path, ask: Callable[[], None]) -> float:
    metrics.begin(folder)
    ask()  # opens the files, once in a process
    taken = _microseconds(ask)
    metrics.end()
    return taken


def _asking(app: Flask, path: str, headers: dict[str, str]) -> Callable[[], None]:
    """Return what sends one request to the application itself, and reads the answer."""
    usual = EnvironBuilder(path, headers=list(headers.items())).get_environ()

    def ask() -> None:
        answer: list[str] = []

        def start(status: str, _headers: Any, _error: Any = None) -> Any:  # noqa: ANN401 - WSGI
            answer.append(status)

        for _ in app.wsgi_app({**usual, "wsgi.input": BytesIO()}, start):
            pass
        if answer != ["200 OK"]:
            raise RuntimeError(f"{path} was answered {answer}")

    return ask


def _microseconds(work: Callable[[], None]) -> float:
    """Return our processor's time for each, in microseconds."""
    began = time.process_time()
    for _ in range(COUNT):
        work()
    return (time.process_time() - began) / COUNT * 1e6
