"""Asking several things at once, and waiting no longer than one is willing to."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")


def run(
    jobs: Mapping[str, Callable[[], Result]],
    seconds: float,
    late: Callable[[str], Result],
    on_end: Callable[[str], object] | None = None,
) -> dict[str, Result]:
    """Run all jobs at once and return what each gave within `seconds`, by name.

    For one that did not end, `late` says what to return; it ends by its own timeout, and neither
    this call nor the end of the process waits for it. `on_end` is called from the job's thread.
    What a job raises rises here.
    """
    running = {name: _start(name, job, on_end) for name, job in jobs.items()}
    wait(running.values(), timeout=seconds)
    return {
        name: future.result() if future.done() else late(name) for name, future in running.items()
    }


def _start(
    name: str, job: Callable[[], Result], on_end: Callable[[str], object] | None
) -> "Future[Result]":
    future: Future[Result] = Future()

    def work() -> None:
        try:
            future.set_result(job())
        except BaseException as error:  # noqa: BLE001 - it rises where the result is asked for
            future.set_exception(error)
        if on_end is not None:
            on_end(name)

    # Not a pool: Python would wait for its threads at the end of the process.
    Thread(target=work, name=name, daemon=True).start()
    return future
