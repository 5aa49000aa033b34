"""Whether this worker was told to stop; its pool children hear of it too.

Celery tells only its main process, and waits for the tasks that run. One byte of shared memory,
made before the fork, lets a long batch see it and hand back what it has not begun.
"""

import mmap

from celery import signals

_asked = mmap.mmap(-1, 1)


def ask(**_: object) -> None:
    """Ask all batches of this worker to come to an end."""
    _asked[0] = 1


def is_asked() -> bool:
    """Tell whether the worker is to stop."""
    return _asked[0] == 1


signals.worker_shutting_down.connect(ask, weak=False)
