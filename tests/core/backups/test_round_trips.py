"""What goes into a backup comes out of it, on every engine and from one to another."""

import resource
import signal
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError

from core import migrations, pauses
from core.audit.models import AuditEntry
from core.backups import restoring, taking
from core.backups.archive import Manifest, Reader
from core.database import Database
from core.errors import ConflictError, KuvertError
from core.ids import new_id
from tests.core.backups.conftest import contents, fresh, opened, restore
from tests.support.databases import ENGINES


@dataclass
class Restored:
    """A database into which an old backup was restored, and then the full one."""

    database: Database
    manifest: Manifest
    old_differences: list[str]
    old_name: str
    was_paused: bool


@pytest.fixture(scope="module", params=ENGINES)
def restored(
    request: pytest.FixtureRequest, backup_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Restored]:
    """Each engine once: what comes second has tables to replace, append-only ones too."""
    folder = tmp_path_factory.mktemp(request.param)
    old_backup(folder / "old.zip")
    with fresh(request.param, folder / "a") as database:
        restore(database, folder / "old.zip")
        with database.single() as connection:
            old_name = connection.scalar(text("SELECT name FROM sources"))
            differences = migrations.differences(connection)
            was_paused = pauses.is_paused(connection)
            connection.execute(text("CREATE TABLE somebody_elses (id INTEGER)"))
        manifest = restore(database, backup_file)
        yield Restored(database, manifest, differences, str(old_name), was_paused)


def old_backup(path: Path) -> None:
    """Back up a database of long ago, which has no table of pauses yet."""
    source = {"id": new_id().hex, "name": "erp", "environment": "test", "is_disabled": False}
    names = ", ".join((*source, "created_at"))
    with opened(f"sqlite:///{path.with_suffix('.db')}") as old:
        migrations.upgrade(old, "0013")
        with old.single() as connection:
            given = "(:id, :name, :environment, :is_disabled, '2026-01-01 00:00:00')"
            connection.execute(text(f"INSERT INTO sources ({names}) VALUES {given}"), source)  # noqa: S608
        assert taking.take(old, path).revision == "0013"


def test_everything_comes_back_as_it_was(restored: Restored, tmp_path: Path) -> None:
    """Out of that engine again: the same rows, by count and hash."""
    again = taking.take(restored.database, tmp_path / "again.zip")

    assert contents(again) == contents(restored.manifest)
    assert sum(rows > 0 for rows, _ in contents(again).values()) >= 20
    with restored.database.single() as connection:
        assert migrations.current(connection) == migrations.head()


def test_an_older_schema_is_brought_up(restored: Restored) -> None:
    assert (restored.old_name, restored.old_differences) == ("erp", [])
    assert restored.was_paused


def test_afterwards_dispatch_is_paused_and_the_audit_says_why(restored: Restored) -> None:
    entries = AuditEntry.__table__
    with restored.database.single() as connection:
        lasting = pauses.current(connection)
        kind = entries.c.kind == "dispatch_pauses"
        reasons = connection.scalars(select(entries.c.reason).where(kind)).all()
    assert lasting is not None
    assert lasting.restored_from is not None
    assert reasons == ["restored in a test"]


def test_history_can_still_not_be_changed(restored: Restored) -> None:
    with restored.database.single() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(text("DELETE FROM status_events"))


def test_a_backup_sees_one_moment(restored: Restored, tmp_path: Path) -> None:
    """Somebody writes between two tables that are read."""
    database = restored.database
    written = threading.Event()

    def write(*_: object) -> None:
        if not written.is_set():
            written.set()
            with database.single() as connection:
                connection.execute(text("UPDATE providers SET failures = failures + 7"))

    found = contents(taking.take(database, tmp_path / "during.zip", write))

    assert written.is_set()
    assert found == contents(restored.manifest)
    with database.single() as connection:
        connection.execute(text("UPDATE providers SET failures = failures - 7"))


def test_other_tables_of_the_database_are_left_alone(restored: Restored) -> None:
    names = inspect(restored.database.engine).get_table_names()
    assert ("somebody_elses" in names) == restored.database.needs_server


def test_the_file_is_for_its_owner_alone_and_has_no_other_beside_it(
    full: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    taking.take(full, folder / "a.zip")

    assert stat.S_IMODE((folder / "a.zip").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["a.zip"]


def test_a_file_that_is_there_is_kept(full: Database, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("precious")

    with pytest.raises(ConflictError, match="--force"):
        taking.take(full, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_text() == "precious"

    taking.take(full, tmp_path / "a.zip", replace=True)
    Reader(tmp_path / "a.zip").close()


def test_an_empty_database_has_nothing_to_back_up(tmp_path: Path) -> None:
    empty = opened(f"sqlite:///{tmp_path / 'empty.db'}")
    with empty as database, pytest.raises(KuvertError, match="empty"):
        taking.take(database, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_a_full_disk_leaves_nothing_behind(full: Database, tmp_path: Path) -> None:
    """No file of this process may grow beyond 64 kB."""
    folder = tmp_path / "backups"
    folder.mkdir()
    # What SQLite writes when it opens the file is no matter here.
    full.engine.connect().close()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Without this the kernel would end the process.
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, limits[1]))
    try:
        with pytest.raises(KuvertError, match="cannot write"):
            taking.take(full, folder / "a.zip")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert list(folder.iterdir()) == []


def test_a_document_that_is_damaged_in_the_database_is_told(full: Database, tmp_path: Path) -> None:
    with full.single() as connection:
        connection.execute(text("UPDATE documents SET body = X'78' WHERE role = 'original'"))

    manifest = taking.take(full, tmp_path / "a.zip")

    assert len(manifest.damaged) > 10
    reader = Reader(tmp_path / "a.zip")
    restoring.check(reader)
    reader.close()
