"""What each process of the web server does before its first request."""

import gc
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from core import gunicorn_hooks


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_a_process_has_loaded_is_not_looked_through_again() -> None:
    before = len(gc.get_objects())

    gunicorn_hooks.post_worker_init(SimpleNamespace(age=2))

    assert gc.get_freeze_count() > before / 2
    assert len(gc.get_objects()) < before / 10
