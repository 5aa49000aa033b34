"""What tests of faults have in common."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from tests.faults.stage import Stage, crashable

Progress = Callable[[Callable[[], str]], AbstractContextManager[None]]

EVERY_SECONDS = 15.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A desk whose broker and database are its own."""
    with crashable(tmp_path) as running:
        yield running


@pytest.fixture
def progress(request: pytest.FixtureRequest) -> Progress:
    """What shows a line, asked for anew every 15 seconds, on the terminal while a block runs."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    shown = capture.global_and_fixture_disabled if capture else nullcontext

    def tell(line: str) -> None:
        with shown():
            print(f"  {request.node.name}: {line}", flush=True)

    @contextmanager
    def running(line: Callable[[], str]) -> Iterator[None]:
        is_over = threading.Event()

        def work() -> None:
            while not is_over.wait(EVERY_SECONDS):
                tell(line())

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    return running
