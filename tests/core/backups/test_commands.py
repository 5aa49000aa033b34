"""`backup`, `restore` and `move`, as people type them (L11, L12)."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from core import heartbeats, migrations, pauses
from core.backups import taking
from core.clock import utcnow
from core.leases import LEASES
from tests.core.backups.conftest import contents, fresh, opened
from tests.support.command import ROOT, Manage
from tests.support.databases import new_database
from tests.support.environment import ENVIRON


@pytest.fixture
def manage(full_file: Path, tmp_path: Path) -> Manage:
    """manage.py over a copy of the full desk."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(full_file, home / "kuvert.db")
    return Manage(home, ENVIRON)


@pytest.fixture
def empty(tmp_path: Path) -> Manage:
    """manage.py over a fresh database."""
    home = tmp_path / "empty"
    home.mkdir()
    made = Manage(home, ENVIRON)
    assert made("db", "upgrade").returncode == 0
    return made


def held(manage: Manage) -> dict[str, tuple[int, str]]:
    """What the database holds."""
    path = manage.home / "look.zip"
    with opened(f"sqlite:///{manage.home / 'kuvert.db'}") as database:
        return contents(taking.take(database, path, replace=True))


def test_a_backup_into_a_folder_verified_and_restored(
    manage: Manage, empty: Manage, tmp_path: Path
) -> None:
    done = manage("backup", str(tmp_path))
    assert done.returncode == 0, done.stderr
    [path] = tmp_path.glob("kuvert-*.zip")
    assert re.search(r"[\d,]+ rows of \d+ tables at \d{4}", done.stdout)
    assert "is whole" in manage("backup", "--verify", str(path)).stdout

    done = empty("restore", str(path))

    assert done.returncode == 0, done.stderr
    assert "Dispatch is paused" in done.stdout
    assert held(empty) == held(manage)
    assert "Note: dispatch is paused" in empty("source", "list").stderr
    assert "becomes unknown" in empty("dispatch", "status").stdout


def test_a_database_that_is_not_empty_is_kept_unless_forced(
    manage: Manage, backup_file: Path
) -> None:
    """L12: nobody is there to be asked."""
    before = held(manage)

    said = manage.refusal("restore", str(backup_file))

    assert "is not empty (" in said
    assert "--force" in said
    assert held(manage) == before
    assert manage("restore", str(backup_file), "--force").returncode == 0


def test_who_was_erased_since_the_backup_is_told_and_erased_again(
    empty: Manage, tmp_path: Path
) -> None:
    anna = ("--address", "anna@privat.example", "--reason", "request 12", "--yes")
    bob = ("--address", "bob@privat.example", "--reason", "request 11", "--yes")
    assert empty("source", "add", "billing").returncode == 0
    for address in (anna[1], bob[1]):
        why = ("--source", "billing", "--reason", "asked us")
        assert empty("suppression", "add", address, *why).returncode == 0
    assert empty("erase", *bob).returncode == 0
    path = str(tmp_path / "before.zip")
    assert empty("backup", path).returncode == 0
    assert empty("erase", *anna).returncode == 0
    assert anna[1] not in empty("suppression", "list").stdout

    done = empty("restore", path, "--force")

    assert done.returncode == 0, done.stderr
    assert "erase again who was erased since the backup" in done.stdout
    [undone] = [line for line in done.stdout.splitlines() if line.startswith("Undone by this")]
    assert "request 12" in undone
    assert anna[1] in empty("suppression", "list").stdout
    assert empty("erase", *anna).returncode == 0
    assert "privat.example" not in empty("suppression", "list").stdout


def test_a_name_that_no_file_can_have_is_refused(manage: Manage) -> None:
    for command in (("backup",), ("backup", "--verify"), ("restore",)):
        assert "File name too long" in manage.refusal(*command, "x" * 300)


def test_a_backup_that_was_cut_off_changes_nothing(
    manage: Manage, backup_file: Path, tmp_path: Path
) -> None:
    """L11."""
    cut = tmp_path / "cut.zip"
    cut.write_bytes(backup_file.read_bytes()[:20_000])
    before = held(manage)

    assert "cut off" in manage.refusal("restore", str(cut), "--force")
    assert "cut off" in manage.refusal("backup", "--verify", str(cut))
    assert held(manage) == before


def test_while_a_worker_lives_nothing_is_restored_or_moved(
    manage: Manage, backup_file: Path, tmp_path: Path
) -> None:
    with (
        opened(f"sqlite:///{manage.home / 'kuvert.db'}") as database,
        database.single() as connection,
    ):
        heartbeats.beat(connection, "all@here", ["jobs"], utcnow())

    target = f"sqlite:///{tmp_path / 'new.db'}"
    for command in (("restore", str(backup_file), "--force"), ("move", "--to", target)):
        assert "worker all@here (0.1.0/" in manage.refusal(*command)
    assert manage("backup", str(tmp_path / "a.zip")).returncode == 0


def test_a_move_to_postgresql_compares_and_says_what_is_next(
    manage: Manage, tmp_path: Path
) -> None:
    before = held(manage)
    with fresh("postgresql", tmp_path / "pg") as target:
        done = manage("move", "--to", target.url.render_as_string(hide_password=False))

        assert done.returncode == 0, done.stderr
        assert "counts and hashes of all tables are the same in both" in done.stdout
        assert "KUVERT_DATABASE_URL" in done.stdout
        assert contents(taking.take(target, tmp_path / "moved.zip")) == before
        with target.single() as connection:
            lasting = pauses.current(connection)
        assert lasting is not None
        assert lasting.restored_from is None
    assert held(manage) == before
    assert [path.name for path in manage.home.iterdir() if "moving" in path.name] == []


def test_a_move_to_itself_or_to_nowhere_is_refused(manage: Manage) -> None:
    own = f"sqlite:///{manage.home / 'kuvert.db'}"
    assert "uses now" in manage.refusal("move", "--to", own)
    away = manage.refusal("move", "--to", "postgresql://ann:geheim@127.0.0.1:9/kuvert")
    assert "cannot use postgresql+psycopg://ann:***@127.0.0.1:9/kuvert" in away
    done = manage("move", "--to", "oracle://host/db")
    assert (done.returncode, "--to names the engine 'oracle'" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "engine_name",
    ["sqlite", *(pytest.param(one, marks=pytest.mark.storm) for one in ("postgresql", "mysql"))],
)
def test_killed_at_any_moment_it_is_as_it_was_or_says_what_to_do(
    engine_name: str, backup_file: Path, tmp_path: Path
) -> None:
    """`kill -9` of a restore that replaces what is there, at several moments; then once more."""
    folder = tmp_path / "db"
    folder.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    with new_database(engine_name, folder) as (url, _):
        manage = Manage(home, {**ENVIRON, "KUVERT_DATABASE_URL": url})
        put_in(url)
        states = set()
        hits = 0
        for seconds in (0.8, 1.2, 1.6, 2.2, 3.0, 5.0):
            hits += kill_after(manage, seconds, backup_file)
            states.add(state_of(url))
        done = manage("restore", str(backup_file), "--force")

        assert hits >= 1
        assert done.returncode == 0, done.stderr
        assert states <= {"as it was", "says what to do", "restored"}
        if engine_name != "mysql":
            assert "says what to do" not in states
        with opened(url) as database, database.single() as connection:
            assert migrations.current(connection) == migrations.head()
            assert pauses.is_paused(connection)
            assert connection.scalar(text("SELECT count(*) FROM leases WHERE name = 'mine'")) == 0


def put_in(url: str) -> None:
    """Leave a mark in the database that a restore takes away."""
    now = utcnow()
    row = {"name": "mine", "holder": None, "token": 1, "since": now, "until": now}
    with opened(url) as database, database.single() as connection:
        connection.execute(insert(LEASES), [row])


def kill_after(manage: Manage, seconds: float, backup: Path) -> bool:
    """Start a restore and kill it; tell whether it was still running."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "restore", str(backup), "--force"],
        env={"PATH": "/usr/bin:/bin", "KUVERT_HOME": str(manage.home), **manage.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        return True
    return False


def state_of(url: str) -> str:
    """Say what a command would find."""
    with opened(url) as database, database.single() as connection:
        at = migrations.current(connection)
        if at == migrations.UNFINISHED:
            return "says what to do"
        assert at == migrations.head()
        mine = connection.execute(text("SELECT 1 FROM leases WHERE name = 'mine'")).first()
        if mine is not None:
            return "as it was"
        assert pauses.is_paused(connection)
        return "restored"


def test_a_backup_that_is_killed_leaves_no_file_under_its_name(
    manage: Manage, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "backup", str(folder / "a.zip")],
        env={"PATH": "/usr/bin:/bin", "KUVERT_HOME": str(manage.home), **manage.environ},
    )
    part = None
    while part is None and process.poll() is None:
        part = next(iter(folder.glob(".a.zip.*.part")), None)
    process.send_signal(signal.SIGKILL)
    process.wait(10)

    assert part is not None
    assert not (folder / "a.zip").exists()
