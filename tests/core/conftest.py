"""What several tests of core share."""

import pytest

from core import audit
from core.database.base import WATCHED
from invoices.models import ApiKey, Source
from tests.support.ports import free_port


@pytest.fixture
def unaudited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources and keys as tables that nobody watches: the database may take its quickest ways."""
    for table in (Source.__table__, ApiKey.__table__):
        monkeypatch.delitem(table.info, WATCHED)
        monkeypatch.delitem(audit.watched, table)


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    return free_port()
