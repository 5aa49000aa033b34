"""What gunicorn is to do besides serving: `--config python:core.gunicorn_hooks`."""

from typing import TYPE_CHECKING

from core import lookout

if TYPE_CHECKING:
    from gunicorn.workers.base import Worker  # type: ignore[import-untyped]


def post_worker_init(worker: "Worker") -> None:
    """Let the first process that serves look whether database and broker are there."""
    if worker.age == 1:
        lookout.begin(worker.wsgi)
