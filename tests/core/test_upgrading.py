"""Upgrading: what would be done, who is in the way, two at once, killed and run again."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from core import heartbeats, migrations, upgrading, version
from core.clock import utcnow
from core.database import Database
from core.heartbeats import HEARTBEATS
from core.migrations import Waiting
from tests.support.command import ROOT, Manage
from tests.support.databases import ENGINES, new_database
from tests.support.environment import ENVIRON

BEFORE = "0018"


@pytest.fixture
def manage(tmp_path: Path) -> Manage:
    return Manage(tmp_path, ENVIRON)


@pytest.fixture
def file(manage: Manage) -> Iterator[Database]:
    database = Database(f"sqlite:///{manage.home / 'kuvert.db'}")
    yield database
    database.close()


def old_worker(database: Database) -> None:
    """A worker of before the versions were written says that it lives."""
    now = utcnow().strftime("%Y-%m-%d %H:%M:%S.%f")
    row = f"('all@old', '[]', '{now}', '{now}')"
    with database.single() as connection:
        connection.execute(
            text(f"INSERT INTO heartbeats (name, queues, since, seen_at) VALUES {row}")  # noqa: S608
        )


def test_check_says_what_waits_and_changes_nothing(manage: Manage, file: Database) -> None:
    migrations.upgrade(file, BEFORE)
    old_worker(file)

    told = manage.json("upgrade", "--check")

    assert (told["at"], told["code"]) == (BEFORE, migrations.head())
    [first, *_] = told["waiting"]
    assert (first["revision"], first["phase"]) == ("0019", "add")
    assert told["older"] == [{"name": "worker all@old", "version": None}]
    assert told["obstacle"] is None
    assert told["free_bytes"] > told["database_bytes"] > 0
    assert "they may go on meanwhile" in manage("upgrade", "--check").stdout
    with file.single() as connection:
        assert migrations.current(connection) == BEFORE


def test_an_upgrade_backs_up_first_and_says_so(manage: Manage, file: Database) -> None:
    migrations.upgrade(file, BEFORE)

    done = manage("upgrade")

    assert done.returncode == 0, done.stderr
    assert "agrees with the code" in done.stdout
    [backup] = (manage.home / "backups").glob("*.zip")
    assert f"at {BEFORE}" in manage("backup", "--verify", str(backup)).stdout
    assert "nothing to do" in manage("upgrade").stdout
    assert len(list((manage.home / "backups").iterdir())) == 1


def test_a_migration_that_takes_away_waits_for_older_workers_to_stop(file: Database) -> None:
    """L05."""
    migrations.upgrade(file)
    found = upgrading.plan(file, Path("/nowhere/at/all"))
    assert found.obstacle is None
    with file.single() as connection:
        heartbeats.beat(connection, "all@new", ["jobs"], utcnow())
    assert upgrading.older(file) == []
    with file.single() as connection:
        row = {"name": "all@old", "queues": [], "since": utcnow(), "seen_at": utcnow()}
        connection.execute(insert(HEARTBEATS), [row | {"version": "0.0.9/0001"}])
    [worker] = upgrading.older(file)

    removing = upgrading.Plan(
        at="0001",
        head="0003",
        waiting=[Waiting("0002", "it adds", "add"), Waiting("0003", "it drops", "remove")],
        older=[worker],
        size=1,
        free=2,
    )

    assert "0003 takes away" in str(removing.obstacle)
    assert "worker all@old (0.0.9/0001)" in str(removing.obstacle)
    with pytest.raises(Exception, match="all@old"):
        upgrading.refuse_unsafe(removing)


@pytest.mark.parametrize("engine_name", ENGINES)
def test_of_two_at_once_the_second_waits(engine_name: str, tmp_path: Path) -> None:
    """L06."""
    with new_database(engine_name, tmp_path) as (url, _):
        first, second = Database(url), Database(url)
        with first.alone("upgrade"), pytest.MonkeyPatch.context() as patch:
            patch.setattr("core.database.alone.LONGEST_SECONDS", 0.5)
            with pytest.raises(Exception, match="another process"), second.alone("upgrade"):
                raise AssertionError("both are in")
        with second.alone("upgrade"):
            pass
        first.close()
        second.close()


def start(manage: Manage) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "db", "upgrade"],
        env={"PATH": "/usr/bin:/bin", "KUVERT_HOME": str(manage.home), **manage.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_commands_at_once_both_end_well(manage: Manage) -> None:
    both = [start(manage), start(manage)]
    said = [process.communicate(timeout=90)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert manage("db", "check").returncode == 0


def schedules_of(database: Database) -> list[str]:
    with database.single() as connection:
        return list(connection.scalars(text("SELECT name FROM schedules ORDER BY name")))


@pytest.mark.parametrize(
    "engine_name",
    ["sqlite", *(pytest.param(one, marks=pytest.mark.storm) for one in ("postgresql", "mysql"))],
)
def test_killed_in_between_and_run_again_it_finishes(engine_name: str, tmp_path: Path) -> None:
    """L07."""
    folder = tmp_path / "db"
    folder.mkdir()
    with new_database(engine_name, folder) as (url, _):
        manage = Manage(tmp_path, {**ENVIRON, "KUVERT_DATABASE_URL": url})
        database = Database(url)
        wanted = schedules_of(database)
        migrations.downgrade(database, "base")
        database.close()
        reached = set()
        hits = 0
        for seconds in (0.6, 1.2, 1.6, 2.0, 3.0):
            process = start(manage)
            try:
                process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate(timeout=20)
                hits += 1
            reached.add(manage("db", "current").stdout.strip())
        done = manage("db", "upgrade")

        assert hits >= 1
        assert done.returncode == 0, (reached, done.stderr)
        assert manage("db", "check").returncode == 0, reached
        database = Database(url)
        names = schedules_of(database)
        database.close()
        assert names == wanted
        assert len(names) >= 6


def test_a_migration_goes_on_at_each_step_where_it_was_ended_on_mysql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There each step is committed by itself: after any, the same migration begins anew."""
    from core.resumable import Resumable

    usual = Resumable._exec
    with new_database("mysql", tmp_path) as (url, _):
        database = Database(url)
        migrations.downgrade(database, "0014")
        ended = 0
        for last in range(1, 8):
            steps = iter(range(last))

            def fails(
                self: Resumable, *args: object, _steps: Iterator[int] = steps, **more: object
            ) -> object:
                if next(_steps, None) is None:
                    raise KeyboardInterrupt
                return usual(self, *args, **more)

            monkeypatch.setattr(Resumable, "_exec", fails)
            try:
                migrations.upgrade(database, "0016")
            except KeyboardInterrupt:
                ended += 1
        assert ended >= 4
        monkeypatch.setattr(Resumable, "_exec", usual)

        migrations.upgrade(database)

        with database.single() as connection:
            assert migrations.current(connection) == migrations.head()
            assert migrations.differences(connection) == []
        database.close()


def test_a_database_that_is_away_is_one_line_without_a_password(tmp_path: Path) -> None:
    """L04."""
    url = "postgresql+psycopg://ann:geheim@127.0.0.1:9/kuvert"
    manage = Manage(tmp_path, {**ENVIRON, "KUVERT_DATABASE_URL": url})

    for command in (("upgrade", "--check"), ("upgrade",), ("db", "upgrade"), ("backup", "a.zip")):
        said = manage.refusal(*command)
        assert "cannot use postgresql+psycopg://ann:***@127.0.0.1:9/kuvert" in said
        assert "geheim" not in said


def test_a_newer_database_is_refused_with_both_revisions(manage: Manage, file: Database) -> None:
    """L08."""
    migrations.upgrade(file)
    with file.single() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    for command in (("upgrade", "--check"), ("upgrade",), ("backup", str(manage.home / "a.zip"))):
        said = manage.refusal(*command)
        assert f"the database is at 9999, the code knows {migrations.head()}" in said


def test_the_version_is_that_of_the_project(file: Database) -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")

    assert f'version = "{version.VERSION}"' in project
    assert version.running() == f"{version.VERSION}/{migrations.head()}"
