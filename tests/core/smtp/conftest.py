"""A mail server for the tests of sending."""

from collections.abc import Iterator

import pytest

from core.smtp import pool
from tests.support.mail_server import MailServer, mail_server


@pytest.fixture(autouse=True)
def _kept_connections() -> Iterator[None]:
    yield
    pool.close_all()


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running
