"""What gunicorn is to do besides serving: `--config python:core.gunicorn_hooks`."""

import gc
from typing import TYPE_CHECKING

from core import lookout

if TYPE_CHECKING:
    from gunicorn.workers.base import Worker  # type: ignore[import-untyped]


def post_worker_init(worker: "Worker") -> None:
    """Let the first process that serves look whether database and broker are there.

    What is loaded by now stays: the collector of garbage need not go through it again and again,
    which stops a request for a tenth of a second each time.
    """
    gc.collect()
    gc.freeze()
    if worker.age == 1:
        lookout.begin(worker.wsgi)
