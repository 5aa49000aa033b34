"""The application of a test is the one that its tasks run in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from core.app import create_app
from core.db import database
from invoices import tasks
from tests.support.environment import make_settings


@pytest.fixture
def another(home: Path, database_url: str) -> Iterator[Flask]:
    """An application that some earlier test has built over the same database."""
    built = create_app(make_settings(home, DATABASE_URL=database_url))
    yield built
    with built.app_context():
        database().close()


def test_tasks_run_in_the_application_of_their_test(another: Flask, app: Flask) -> None:
    assert another is not app
    assert tasks.get_total_invoices.app is app.extensions["celery"]
