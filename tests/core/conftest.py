"""What several tests of core share."""

import socket

import pytest

from core import audit
from core.database.base import WATCHED
from invoices.models import ApiKey, Source


@pytest.fixture
def unaudited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources and keys as tables that nobody watches: the database may take its quickest ways."""
    for table in (Source.__table__, ApiKey.__table__):
        monkeypatch.delitem(table.info, WATCHED)
        monkeypatch.delitem(audit.watched, table)


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
