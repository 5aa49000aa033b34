"""What killed runs of the tests leave behind is taken away by later ones, and nothing else is."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.support import brokers, owned
from tests.support.databases import SERVERS, _require, _run
from tests.support.owned import OLD_SECONDS, is_stale, new_name
from tests.support.processes import wait_until
from tests.support.sweeping import sweep, sweep_folder


@pytest.fixture(scope="module")
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def named(pid: int, age: float) -> str:
    """Return a name as a process has made it so many seconds ago."""
    return f"kuvert_test_{pid}_{int(time.time() - age):x}_{os.urandom(4).hex()}"


def test_what_is_old_and_nobodys_is_stale(gone: int) -> None:
    assert is_stale(named(gone, OLD_SECONDS + 60))


def test_what_is_young_is_let_be(gone: int) -> None:
    assert not is_stale(named(gone, OLD_SECONDS - 60))


def test_what_has_an_owner_is_let_be() -> None:
    assert not is_stale(new_name())


def test_what_is_old_and_has_an_owner_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owned, "OLD_SECONDS", -1)

    assert not is_stale(new_name())


def test_another_process_of_the_same_number_owns_nothing() -> None:
    assert is_stale(named(os.getpid(), OLD_SECONDS + 10 * 365 * 86_400))


@pytest.mark.parametrize("name", ["kuvert", "kuvert_test", "kuvert_test_37c1673fe2d1", "test", "/"])
def test_what_is_called_otherwise_is_let_be(name: str) -> None:
    assert not is_stale(name)


@pytest.fixture(params=sorted(SERVERS))
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, Engine]]:
    """A server that tests use, and its engine's name."""
    url, always_there, name = SERVERS[request.param]
    admin = create_engine(f"{url}/{always_there}", isolation_level="AUTOCOMMIT")
    _require(admin, name)
    yield request.param, admin
    admin.dispose()


def test_databases_that_are_stale_are_dropped(server: tuple[str, Engine], gone: int) -> None:
    engine, admin = server
    old, used, young = (named(gone, age) for age in (7200.0, 7200.0, 60.0))
    for name in (old, used, young):
        _run(admin, f"CREATE DATABASE {name}")
    inside = create_engine(admin.url.set(database=used))
    try:
        with inside.connect() as connection:
            connection.execute(text("SELECT 1"))

            # Another run may just be doing so.
            wait_until(lambda: sweep(engine, admin), 10, "this run sweeps")

            assert {old, used, young} & there(engine, admin) == {used, young}
    finally:
        inside.dispose()
        for name in (used, young):
            _run(admin, f"DROP DATABASE {name}")


def there(engine: str, admin: Engine) -> set[str]:
    listed = {
        "postgresql": "SELECT datname FROM pg_database",
        "mysql": "SELECT schema_name FROM information_schema.schemata",
    }
    with admin.connect() as connection:
        return set(connection.scalars(text(listed[engine])))


def test_virtual_hosts_that_are_stale_are_dropped(
    gone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    brokers.require_rabbitmq()
    monkeypatch.setattr(brokers, "_made", [])
    old, young = named(gone, 7200), named(gone, 60)
    for name in (old, young):
        brokers._control("add_vhost", name)
    try:
        with brokers.virtual_host() as url:
            own = url.rpartition("/")[2]
            assert old in brokers._made
            brokers.drop_virtual_hosts()

        left = brokers._control("list_vhosts", "-q").split()
        assert not {old, own} & set(left)
        assert young in left
    finally:
        brokers._control("delete_vhost", young)


def test_folders_in_memory_that_are_stale_are_removed(tmp_path: Path, gone: int) -> None:
    old, young, foreign = (
        tmp_path / name
        for name in (f"{named(gone, 7200)}_abc", f"{named(gone, 60)}_abc", "kuvert-other")
    )
    for folder in (old, young, foreign):
        (folder / "sub").mkdir(parents=True)

    sweep_folder(tmp_path)

    assert {entry.name for entry in tmp_path.iterdir()} == {young.name, foreign.name}
