"""The crawler itself: it finds every page that a link leads to, and says what is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.crawler import Walk, crawl, kind_of, name_of
from tests.browser.small_server import serving

pytestmark = pytest.mark.storm

ID = "01980000-0000-7000-8000-00000000000"


@contextmanager
def opened(browser: Browser, pages: dict[str, str]) -> Iterator[Page]:
    with serving(pages) as origin:
        context = browser.new_context(base_url=origin)
        try:
            yield context.new_page()
        finally:
            context.close()


def walked(browser: Browser, pages: dict[str, str]) -> tuple[Walk, list[str]]:
    looked: list[str] = []
    with opened(browser, pages) as page:
        return crawl(page, "/", lambda _, kind: looked.append(kind)), looked


def test_every_kind_of_page_is_looked_at_once(browser: Browser) -> None:
    rows = "".join(f"<a href='/rows/?id={ID}{number}'>row</a>" for number in range(5))

    walk, looked = walked(browser, {"/": rows, "/rows/": "<a href='/deep/'>x</a>", "/deep/": ""})

    assert looked == ["/", "/rows/?id", "/deep/"]
    assert walk.pages["/rows/?id"] == f"/rows/?id={ID}0"


def test_a_list_is_looked_at_once_however_it_is_sorted(browser: Browser) -> None:
    links = "<a href='/?page=2'>x</a><a href='/?page=2&sort=1'>x</a><a href='/?mine=1'>x</a>"

    assert walked(browser, {"/": links})[1] == ["/", "/?mine"]


def test_nobody_is_logged_out_and_other_sites_are_left_alone(browser: Browser) -> None:
    links = "<a href='/logout'>x</a><a href='http://evil.example/'>x</a><a href='#top'>x</a>"

    assert walked(browser, {"/": links})[1] == ["/"]


def test_files_are_fetched_and_must_not_be_rendered(browser: Browser) -> None:
    links = "<a href='/export/csv/'>x</a>"

    walk, _ = walked(browser, {"/": links, "/export/csv/": ""})

    assert walk.files == {"/export/csv/": "/export/csv/"}
    with pytest.raises(AssertionError, match="would be rendered"):
        walked(browser, {"/": "<a download href='/page'>x</a>", "/page": ""})


@pytest.mark.parametrize("path", ["/broken", "/absent"])
def test_a_link_that_leads_nowhere_is_noticed(browser: Browser, path: str) -> None:
    with pytest.raises(AssertionError, match=path):
        walked(browser, {"/": f"<a href='{path}'>x</a>"})


@pytest.mark.parametrize(
    ("address", "kind", "name"),
    [
        ("/admin/", "/admin/", "home"),
        ("/admin/invoices/?page=3&sort=1", "/admin/invoices/?page,sort", "invoices"),
        (
            f"/admin/invoices/details/?id={ID}1",
            "/admin/invoices/details/?id",
            "invoices-details",
        ),
        (f"/admin/callbacks/{ID}1/raw", "/admin/callbacks/*/raw", "callbacks-raw"),
    ],
)
def test_pages_are_told_apart_by_what_does_not_differ_from_row_to_row(
    address: str, kind: str, name: str
) -> None:
    assert kind_of(address) == kind
    assert name_of(kind) == name
