"""Settings and machines that are wrong, by command: one clear line and the right exit code.

Those that need no command are in test_settings.py and test_settings_dangers.py, those about what
runs in tests/core/doctor.
"""

import contextlib
import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from celery import Celery
from flask import Flask

from core.database import Database
from core.errors import SettingsError
from tests.support.command import ROOT, Manage

WRONG_SETTINGS = 78
NOBODY = 65_534
UPGRADE = ("db", "upgrade")


def refused(home: Path, *command: str, **environ: str) -> tuple[int, str]:
    done = Manage(home, environ)(*command)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize(
    ("url", "part"),
    [
        pytest.param("", "set for example sqlite:////srv/kuvert/kuvert.db", id="nothing"),
        pytest.param("postgres:/x", "postgresql+psycopg://", id="half a URL"),
        pytest.param("oracle://host/x", "scheme 'oracle' is not known", id="unknown engine"),
    ],
)
def test_a_database_url_that_is_none_is_answered_with_an_example(
    tmp_path: Path, url: str, part: str
) -> None:
    """G01."""
    code, said = refused(tmp_path, "db", "current", KUVERT_DATABASE_URL=url)

    assert code == WRONG_SETTINGS
    assert said.startswith("KUVERT_DATABASE_URL: ")
    assert part in said


def test_a_driver_that_is_missing_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """G02."""
    importlib.import_module("pymysql")
    monkeypatch.setitem(sys.modules, "pymysql", None)

    with pytest.raises(SettingsError, match="pip install"):
        Database("mysql+pymysql://kuvert@127.0.0.1/kuvert")


@pytest.mark.parametrize(
    "name", ["KUVERT_SECRET_KEY_FALLBACKS", "KUVERT_ACCEPT_CONTENT", "KUVERT_DEBUG"]
)
def test_what_would_be_dangerous_cannot_be_set_at_all(tmp_path: Path, name: str) -> None:
    """G04, G15, G20."""
    code, said = refused(tmp_path, "doctor", **{name: "pickle"})

    assert code == WRONG_SETTINGS
    assert said.startswith(f"{name}: no such setting")


def test_a_message_is_json_and_nothing_else(app: Flask) -> None:
    """G20."""
    celery: Celery = app.extensions["celery"]

    assert celery.conf.accept_content == ["json"]
    assert "SECRET_KEY_FALLBACKS" not in app.config or not app.config["SECRET_KEY_FALLBACKS"]


@pytest.mark.parametrize("command", [("web",), ("web", "--embedded"), ("up",)])
def test_debugging_in_public_is_refused(tmp_path: Path, command: tuple[str, ...]) -> None:
    """G15."""
    code, said = refused(tmp_path, *command, "--bind", "0.0.0.0:0", FLASK_DEBUG="1")

    assert code == 1
    assert "FLASK_DEBUG is on" in said


def test_names_and_zones_and_numbers_are_told_at_once(tmp_path: Path) -> None:
    """G09, G12, G13."""
    environ: Mapping[str, str] = {
        "KUVERT_TIMEZONE": "Europe/Nowhere",
        "KUVERT_DATABSE_URL": "x",
        "KUVERT_LEASE_SECONDS": "many",
    }
    code, said = refused(tmp_path, "doctor", **environ)

    assert code == WRONG_SETTINGS
    lines = said.splitlines()
    assert {line.partition(":")[0] for line in lines} == set(environ)
    assert "did you mean KUVERT_DATABASE_URL" in said


def test_a_home_that_is_nowhere_to_be_made_is_named(tmp_path: Path) -> None:
    """G19; in /proc nobody makes folders, root neither."""
    code, said = refused(Path("/proc/kuvert"), "db", "upgrade")

    assert code == 1
    assert "/proc/kuvert" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB with a database on it."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder))
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("no disk can be mounted in this container")
    try:
        assert Manage(folder, {})("db", "upgrade").returncode == 0
        yield folder
    finally:
        subprocess.run(("umount", str(folder)), check=True)


def test_a_full_disk_and_one_that_is_read_only_are_named(small_disk: Path) -> None:
    """G19."""
    fill = small_disk / "fill"
    with contextlib.suppress(OSError):
        fill.write_bytes(bytes(4 * 1024 * 1024))
    full = refused(small_disk, "source", "add", "erp")
    fill.unlink()
    subprocess.run(("mount", "-o", "remount,ro", str(small_disk)), check=True)
    read_only = [refused(small_disk, *command) for command in (("source", "add", "erp"), UPGRADE)]

    assert full[0] == 1
    assert f"(the disk of {small_disk} is full)" in full[1]
    assert [code for code, _ in read_only] == [1, 1]
    assert f"({small_disk} is on a file system that is mounted read-only)" in read_only[0][1]
    assert read_only[1][1].endswith("Read-only file system")


def test_doctor_names_a_home_that_is_nowhere_to_be_made(tmp_path: Path) -> None:
    """G19."""
    environ = {
        "KUVERT_SECRET_KEY": "k-7Qw9Zx2Lm4Np6Rt8Vb1Yc3Df5Gh7Js",
        "KUVERT_DATABASE_URL": f"sqlite:///{tmp_path}/kuvert.db",
    }
    code, said = refused(Path("/proc/kuvert"), "doctor", **environ)

    assert code == 1
    assert "/proc/kuvert" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
@pytest.mark.parametrize(
    ("mode", "command", "reason"),
    [
        (0o600, ("source", "list"), "unable to open database file"),
        (0o644, ("source", "add", "erp"), "readonly database"),
        (0o600, ("db", "current"), "unable to open database file"),
        (0o600, ("doctor",), "unable to open database file"),
    ],
)
def test_a_database_file_of_somebody_else_is_said_to_be_so(
    tmp_path: Path, mode: int, command: tuple[str, ...], reason: str
) -> None:
    """L17; without its capabilities root may do no more than Kuvert's user."""
    database = tmp_path / "kuvert.db"
    Manage(tmp_path, {})("db", "upgrade")
    os.chown(database, NOBODY, NOBODY)
    database.chmod(mode)
    without = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")

    done = subprocess.run(
        [*without, sys.executable, str(ROOT / "manage.py"), *command],
        env={"PATH": os.environ["PATH"], "KUVERT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert reason in said
    assert f"({database} belongs to nobody, and this runs as root)" in said
    assert "Traceback" not in said


def test_a_broker_without_a_password_and_guest_elsewhere_are_doubtful(tmp_path: Path) -> None:
    """G05: said at each start, and by doctor."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    environ = {"KUVERT_BROKER_URL": f"amqp://127.0.0.1:{port}/x"}

    done = Manage(tmp_path, environ)("doctor", "--json")

    assert "no password; right only where certificates log in" in done.stdout


@pytest.mark.parametrize("command", [("doctor",), ("doctor", "--json")])
def test_doctor_examines_the_rest_without_a_database(
    tmp_path: Path, command: tuple[str, ...], closed_port: int
) -> None:
    environ = {
        "KUVERT_SECRET_KEY": "k-7Qw9Zx2Lm4Np6Rt8Vb1Yc3Df5Gh7Js",
        "KUVERT_DATABASE_URL": f"postgresql+psycopg://kuvert:geheim@127.0.0.1:{closed_port}/x",
    }

    done = Manage(tmp_path, environ)(*command)

    assert done.returncode == 1
    assert "every request is answered 503" in done.stdout
    assert "logstash" in done.stdout
    assert "geheim" not in done.stdout + done.stderr
