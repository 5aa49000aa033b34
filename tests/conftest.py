"""Fixtures of all tests: one application per engine, an empty database for each test."""

import gc
import os
import shutil
from collections.abc import Generator, Iterator, Sequence
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import make_url
from werkzeug.test import TestResponse

from core import actor
from core import settings as settings_module
from core.app import create_app
from core.db import database, db
from core.people import passwords
from tests.support import brokers, extras, factories
from tests.support.console import Console
from tests.support.databases import ENGINES, Wipe, new_database
from tests.support.environment import ENVIRON, make_settings

# What pyproject.toml chooses: the same examples in each run, however busy the machine is.
hypothesis.settings.register_profile(
    "steady",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run choose the engines."""
    parser.addoption(
        "--databases",
        default="",
        help=f"engines for all tests, of {','.join(ENGINES)}; by default those marked"
        " every_database run on all and the rest on SQLite",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare our markers."""
    config.addinivalue_line("markers", "every_database: runs on each engine that is here")
    config.addinivalue_line("markers", "every_case: each case on each engine, not only the first")
    config.addinivalue_line("markers", "pages: on SQLite, and in a storm on the servers too")
    config.addinivalue_line("markers", "one_database: one is enough, whatever the module says")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for garbage neither while thousands of tests are made nor among them later.

    It is a third of what collecting takes.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses the database once per engine."""
    if "engine" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("--databases")
    marked = metafunc.definition.get_closest_marker
    is_for_all = marked("every_database") and not marked("one_database")
    engines: Sequence[object] = ENGINES if is_for_all else ENGINES[:1]
    if marked("pages"):
        engines = [ENGINES[0], *(pytest.param(e, marks=pytest.mark.storm) for e in ENGINES[1:])]
    if chosen:
        engines = chosen.split(",")
    metafunc.parametrize("engine", engines, indirect=True, scope="session")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave all cases of a test but the first to the storms where the engine is a server.

    Most cases differ in what is asked, not in the SQL; SQLite has them all.
    """
    callspec = getattr(item, "callspec", None)
    if callspec is None or callspec.params.get("engine") not in ENGINES[1:]:
        return
    is_first = not any(at for name, at in callspec.indices.items() if name != "engine")
    is_asked_for = item.get_closest_marker("every_case") or item.config.getoption("--databases")
    if not is_first and not is_asked_for:
        item.add_marker(pytest.mark.storm)


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that Kuvert lives in; whoever reads the settings afresh finds it too."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name in settings_module.NAMES]:
            patch.delenv(name)
        for name, value in {**ENVIRON, "KUVERT_HOME": str(folder)}.items():
            patch.setenv(name, value)
        settings_module.current.cache_clear()
        yield folder
    settings_module.current.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def virtual_hosts() -> Iterator[None]:
    """Drop those of this run in the end."""
    yield
    brokers.drop_virtual_hosts()


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hash passwords with the lowest cost: most tests log somebody in, and test something else."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", lambda: cheap)
        yield


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the database engine that the test runs on."""
    return str(request.param)


@dataclass
class _Stage:
    """What the tests of one engine share.

    `kept` is a source, and the file of a database with nothing but it.
    """

    app: Flask
    database_url: str
    wipe: Wipe
    kept: tuple[factories.SourceWithKey, Path] | None = None

    @property
    def untouched_file(self) -> Path | None:
        """SQLite's file while it is as `wipe` has left it: nobody has opened it yet."""
        path = Path(make_url(self.database_url).database or "")
        is_file = self.database_url.startswith("sqlite")
        return path if is_file and not path.with_name(f"{path.name}-wal").exists() else None


@pytest.fixture(scope="session")
def engine_stage(
    engine: str, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Stage]:
    """Build the application of an engine once."""
    with new_database(engine, tmp_path_factory.mktemp(engine)) as (url, wipe):
        app = create_app(make_settings(home, DATABASE_URL=url))
        app.testing = True
        app.test_client_class = Client
        yield _Stage(app, url, wipe)
        with app.app_context():
            database().close()


@pytest.fixture
def database_url(engine_stage: _Stage) -> str:
    """Where the database of the test is."""
    return engine_stage.database_url


@pytest.fixture
def app(engine_stage: _Stage) -> Iterator[Flask]:
    """The application, inside its context, over an empty database."""
    with engine_stage.app.app_context():
        db.session.remove()
        database().close()
        engine_stage.wipe()
        actor.forget()
        # Tasks run in the newest application: one that an earlier test has built may still hold
        # the database file of then.
        celery = engine_stage.app.extensions["celery"]
        celery.set_current()
        celery.set_default()
        yield engine_stage.app
        db.session.remove()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """An HTTP client that sends no key."""
    return app.test_client()


@pytest.fixture
def source(app: Flask, engine_stage: _Stage) -> factories.SourceWithKey:
    """A test source whose invoices go to the sandbox, and its key.

    A third of what a usual test takes went into making one; in a file it is made once.
    """
    path = engine_stage.untouched_file
    if path is None:
        return factories.add_source("erp")
    if engine_stage.kept is None:
        engine_stage.kept = factories.add_source("erp"), path.with_name("source.db")
        database().close()
        shutil.copyfile(path, engine_stage.kept[1])
    else:
        shutil.copyfile(engine_stage.kept[1], path)
    return engine_stage.kept[0]


@pytest.fixture
def api_key(source: factories.SourceWithKey) -> str:
    """The key of `source`."""
    return source.key


@pytest.fixture
def api(app: Flask, api_key: str) -> FlaskClient:
    """An HTTP client that sends the key of `source`."""
    return factories.client_of(app, api_key)


@pytest.fixture
def console(
    app: Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Console:
    """The command line over the test's application."""
    return Console(app, monkeypatch, capsys)


class Client(FlaskClient):
    """Sends each request outside the test's own context, as a server would get it."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:  # noqa: ANN401
        """Send one request."""
        return Context().run(partial(super().open, *args, **kwargs))


@pytest.fixture
def without_typst(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the extra away that makes PDFs."""
    extras.take_typst_away(monkeypatch)
