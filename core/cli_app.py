"""The application for commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.logs import set_up
from core.settings import current

if TYPE_CHECKING:
    from apiflask import APIFlask


@contextmanager
def application() -> Iterator["APIFlask"]:
    """Build the application and open its context for the length of a command."""
    from core.app import create_app

    set_up(current())
    app = create_app()
    with app.app_context():
        yield app
