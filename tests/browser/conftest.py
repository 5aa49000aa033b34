"""Fixtures of the tests that drive pages in a real Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import looks
from tests.browser.chromium import chromium
from tests.browser.looks import Look
from tests.browser.site import ENGINES, Site, serving
from tests.browser.windows import Windows


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run take pictures."""
    parser.addoption("--pictures", metavar="FOLDER", help="take pictures of the pages on SQLite")
    parser.addoption("--pictures-as", default="webp", choices=("webp", "png"))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep what shares a site in one process of `--dist loadgroup`."""
    shares = "site" in getattr(item, "fixturenames", ())
    item.add_marker(pytest.mark.xdist_group("site" if shares else item.path.stem))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser of this run; each test has windows and cookies of its own."""
    with chromium() as running:
        yield running


@pytest.fixture(
    scope="session",
    params=[ENGINES[0], *(pytest.param(name, marks=pytest.mark.storm) for name in ENGINES[1:])],
)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Kuvert over each engine, for all tests of the run that do not break it."""
    with serving(request.param, tmp_path_factory.mktemp(f"site-{request.param}")) as running:
        yield running


@pytest.fixture
def windows(browser: Browser, site: Site) -> Iterator[Windows]:
    """Windows on the site; the test fails in the end when a page did what no page may do."""
    opened = Windows(browser, site)
    yield opened
    problems = opened.close()
    if any(problem.startswith("answer: 5") for problem in problems):
        problems.append(site.kuvert.children["web"].last_words().rpartition("Traceback")[2])
    assert not problems, "\n".join(problems)


@pytest.fixture
def page(windows: Windows) -> Page:
    """A window of nobody."""
    return windows.open()


@pytest.fixture
def look(request: pytest.FixtureRequest, site: Site) -> Look:
    """What looks at a page in both schemes and sizes, and takes pictures when asked to."""
    folder = request.config.getoption("--pictures")
    takes = folder and site.engine == ENGINES[0]
    if takes:
        site.work()  # or every picture would say that nothing runs
    return looks.looking(Path(folder) if takes else None, request.config.getoption("--pictures-as"))
