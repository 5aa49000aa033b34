"""A backup of what retention has emptied is whole, and comes back as it was."""

from pathlib import Path

import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError

from core.backups import taking
from core.db import database
from core.retention import kinds
from invoices.models import Document
from status.models import HistoryGap
from tests.core.backups.conftest import contents, fresh, restore
from tests.support import ageing, desk
from tests.support.channel import FakeChannel
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database

DOCUMENTS = Document.__table__


def test_what_was_emptied_is_not_called_damaged(source: SourceWithKey, tmp_path: Path) -> None:
    add_invoice(source)
    desk.send(FakeChannel())
    for kind in kinds.registered():
        ageing.purge(kind)

    manifest = taking.take(database(), tmp_path / "purged.zip")

    assert list(manifest.damaged) == []
    with fresh("sqlite", tmp_path / "again") as again:
        restore(again, tmp_path / "purged.zip")
        restored = taking.take(again, tmp_path / "again.zip")
        assert contents(restored) == contents(manifest)
        with again.single() as connection:
            document = connection.execute(select(DOCUMENTS)).one()
            assert (document.body, document.purged_at is not None) == (b"", True)
            assert connection.execute(select(HistoryGap.__table__)).all()
            with pytest.raises(DBAPIError, match="append-only"):
                connection.execute(delete(desk.EVENTS))


def test_a_document_that_lost_its_bytes_otherwise_is_damaged(
    source: SourceWithKey, tmp_path: Path
) -> None:
    add_invoice(source)
    desk.change(DOCUMENTS, body=b"")

    manifest = taking.take(database(), tmp_path / "damaged.zip")

    assert list(manifest.damaged) == [str(desk.only(DOCUMENTS).id)]
