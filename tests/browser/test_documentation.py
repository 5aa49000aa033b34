"""The documentation as a site: `make docs`, read in light and dark, on a screen and a telephone."""

import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
from lxml import html
from playwright.sync_api import Browser, Page, expect

from tests.browser.looks import NARROW, SCHEMES, WIDE, assert_accessible, assert_fits, size
from tests.browser.watch import Watch
from tests.support.data import ROOT

pytestmark = pytest.mark.storm  # the first build installs MkDocs

_BROKEN_PICTURES = """async () => {
  const pictures = [...document.images];
  await Promise.all(pictures.map((one) => one.decode().catch(() => {})));
  return pictures.filter((one) => !one.naturalWidth).map((one) => one.src);
}"""


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Say nothing on the terminal."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, as MkDocs makes it with every warning an error."""
    folder = tmp_path_factory.mktemp("documentation") / "site"
    command = ["make", "-s", "docs", f"ARGS=build --strict --site-dir {folder}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def origin(built: Path) -> Iterator[str]:
    """Where the site is served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(built)))
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def page(browser: Browser, origin: str) -> Iterator[Page]:
    """A window on the site; the test fails in the end when a page did what it must not."""
    context = browser.new_context(base_url=origin, viewport={"width": WIDE[0], "height": WIDE[1]})
    watch = Watch(context, origin, has_policy=False)
    yield context.new_page()
    context.close()
    assert not watch.problems, "\n".join(watch.problems)


def test_every_page_is_readable_and_asks_nobody_else(page: Page, built: Path) -> None:
    names = sorted(path.name for path in built.glob("*.html") if path.name != "404.html")

    for name in names:
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.goto(f"/{name}")
            assert_accessible(page)
            assert_fits(page)
            with size(page, NARROW):
                assert page.evaluate(_BROKEN_PICTURES) == []

    assert len(names) > 15


def test_the_site_is_dark_where_the_system_is(page: Page) -> None:
    grounds = set()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.goto("/index.html")
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert len(grounds) == 2


def test_the_search_finds_a_setting(page: Page) -> None:
    page.goto("/index.html")
    page.get_by_role("textbox", name="Search").click()
    page.keyboard.type("KUVERT_LEASE_SECONDS")

    expect(page.locator(".md-search-result")).to_contain_text("KUVERT_LEASE_SECONDS")


def test_no_link_within_the_site_is_dead(built: Path) -> None:
    pages = {path: html.parse(path) for path in built.glob("*.html")}
    places = {path: set(page.xpath("//@id | //a/@name")) for path, page in pages.items()}
    dead = []
    for path, page in pages.items():
        for link in page.xpath("//a/@href"):
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path).lstrip("/")) if parts.path else path
            if parts.scheme or parts.path == "/":
                continue
            if not target.exists() or (
                parts.fragment and unquote(parts.fragment) not in places.get(target.resolve(), ())
            ):
                dead.append(f"{path.name}: {link}")

    assert pages
    assert dead == []
