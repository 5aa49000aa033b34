import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import check_output

import pytest

from core import secret_key
from core.errors import KuvertError, SettingsError
from tests.support.loading import KEY, POSTGRESQL, load, problem

ROOT = Path(__file__).resolve().parents[2]


def test_a_generated_key_is_kept(tmp_path: Path) -> None:
    first, second = load(tmp_path), load(tmp_path)

    assert first.secret_key == second.secret_key
    assert len(first.secret_key) >= 32


def test_a_generated_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    home = load(tmp_path).home

    assert [path.name for path in home.iterdir()] == [secret_key.FILE_NAME]
    assert (home / secret_key.FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


def test_processes_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from core import secret_key;"
        "print(secret_key.read_or_make(pathlib.Path(sys.argv[1])))"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "home")]

    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(lambda _: check_output(argv, cwd=ROOT), range(4)))

    assert len(keys) == 1


def test_threads_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(secret_key.read_or_make, [tmp_path / "home"] * 64))

    assert len(keys) == 1


def test_a_damaged_key_is_not_replaced(tmp_path: Path) -> None:
    path = load(tmp_path).home / secret_key.FILE_NAME
    path.write_text("cut off")

    with pytest.raises(KuvertError, match=r"secret_key is damaged; put back the file"):
        load(tmp_path)
    assert path.read_text() == "cut off"


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(KuvertError, match=r"KUVERT_HOME: .*file.*Not a directory") as caught:
        secret_key.read_or_make(tmp_path / "file" / "home")
    assert not isinstance(caught.value, SettingsError)


def test_no_key_is_made_when_anything_is_wrong(tmp_path: Path) -> None:
    problem(tmp_path, TIMEZONE="x")

    assert not (tmp_path / "var").exists()


def test_a_given_key_makes_no_file(tmp_path: Path) -> None:
    load(tmp_path, SECRET_KEY=KEY)

    assert not (tmp_path / "var").exists()


def test_a_server_database_needs_a_key(tmp_path: Path) -> None:
    """G03."""
    line = problem(tmp_path, DATABASE_URL=POSTGRESQL)

    assert line.startswith("KUVERT_SECRET_KEY: needed with this database; set the result of")


@pytest.mark.parametrize("key", ["dev", "8letters", "fifteen letters", ""])
def test_a_short_key_is_refused_everywhere(tmp_path: Path, key: str) -> None:
    """G03."""
    line = problem(tmp_path, SECRET_KEY=key)

    assert f"KUVERT_SECRET_KEY: {len(key)} characters are too few" in line
