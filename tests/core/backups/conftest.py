"""A desk with something of everything in it, its backup, and databases to restore into."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.backups import restoring, taking
from core.backups.archive import Manifest, Reader
from core.clock import utcnow
from core.database import Database
from tests.support.command import ROOT
from tests.support.databases import new_database
from tests.support.environment import ENVIRON
from tests.support.provider import SECRET
from tests.support.strings import naughty

WISH = restoring.Wish(reason="restored in a test", restored_from=utcnow())


@pytest.fixture(scope="session")
def full_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with rows in nearly every table, naughty strings in their fields."""
    home = tmp_path_factory.mktemp("full")
    plain = {name: text for name, text in os.environ.items() if not name.startswith("KUVERT_")}
    environ = {**plain, **ENVIRON, "KUVERT_HOME": str(home), "TEST_CALLBACK_SECRET": SECRET}
    for command, stdin in (
        ((str(ROOT / "manage.py"), "db", "upgrade"), ""),
        (("-m", "tests.support.full_desk"), json.dumps(naughty()[::8])),
    ):
        done = subprocess.run(
            [sys.executable, *command],
            env=environ,
            cwd=ROOT,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return home / "kuvert.db"


@pytest.fixture
def full(full_file: Path, tmp_path: Path) -> Iterator[Database]:
    """A copy of it."""
    path = tmp_path / "full.db"
    shutil.copyfile(full_file, path)
    with opened(f"sqlite:///{path}") as database:
        yield database


@pytest.fixture(scope="session")
def backup_file(full_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The backup of it."""
    path = tmp_path_factory.mktemp("backup") / "full.zip"
    with opened(f"sqlite:///{full_file}") as database:
        taking.take(database, path)
    return path


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """Open a database and close it."""
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def fresh(engine: str, folder: Path) -> Iterator[Database]:
    """Make a database of an engine with the tables of this code."""
    folder.mkdir(exist_ok=True)
    with new_database(engine, folder) as (url, _), opened(url) as database:
        yield database


def restore(database: Database, path: Path, wish: restoring.Wish = WISH) -> Manifest:
    """Verify and restore a backup."""
    reader = Reader(path)
    try:
        restoring.check(reader)
        restoring.restore(database, reader, wish)
        return reader.manifest
    finally:
        reader.close()


def contents(manifest: Manifest) -> dict[str, tuple[int, str]]:
    """What each table holds, but for what a restore adds itself."""
    added = restoring.FIRST
    return {
        entry.name: (entry.rows, entry.content)
        for entry in manifest.tables
        if entry.name not in added
    }
