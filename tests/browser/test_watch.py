"""The watch itself: each thing that a page must not do is noticed."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.looks import assert_accessible, assert_fits
from tests.browser.small_server import STRICT, serving
from tests.browser.watch import Watch


@contextmanager
def opened(
    browser: Browser, body: str, policy: str = STRICT, path: str = "/"
) -> Iterator[tuple[Page, Watch]]:
    with serving({"/": body}, policy) as origin:
        context = browser.new_context()
        try:
            watch = Watch(context, origin)
            page = context.new_page()
            page.goto(origin + path)
            page.evaluate("0")  # what was noted before comes before this answer
            yield page, watch
        finally:
            context.close()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<script nonce='n'>console.error('oh dear')</script>", "console: oh dear"),
        ("<script nonce='n'>null.x</script>", "script: Cannot read properties of null"),
        ("<script nonce='n'>alert(1)</script>", "dialog: alert: 1"),
        ("<script>1</script>", "policy: kuvert: policy violated: script-src"),
        ("<p onclick='x()'>x</p>", "policy: kuvert: policy violated: script-src-attr"),
        ("<p style='color: red'>x</p>", "policy: kuvert: policy violated: style-src-attr"),
        ("<img alt='x' src='http://evil.example/x'>", "another site: http://evil.example/x"),
        ("<link rel='stylesheet' href='/absent'>", "/absent"),
        ("<iframe title='x' src='/broken'></iframe>", "answer: 500 to GET"),
    ],
)
def test_what_a_page_must_not_do_is_noticed(browser: Browser, body: str, words: str) -> None:
    with opened(browser, body) as (_, watch):
        assert watch.take(words), watch.problems


@pytest.mark.parametrize(
    "policy",
    ["", "default-src 'self'", "script-src 'self' 'unsafe-inline'; frame-ancestors 'none'"],
)
def test_a_page_without_a_strict_policy_is_noticed(browser: Browser, policy: str) -> None:
    with opened(browser, "", policy) as (_, watch):
        assert watch.take("has the policy")


@pytest.mark.parametrize("path", ["/", "/absent"])
def test_a_good_page_and_a_plain_refusal_are_no_problem(browser: Browser, path: str) -> None:
    with opened(browser, "<p>All is well.</p>", path=path) as (page, watch):
        assert_accessible(page)
        assert_fits(page)

        assert watch.problems == []


def test_looking_at_a_page_violates_no_policy_of_it(browser: Browser) -> None:
    with opened(browser, "<img src='data:,'>") as (page, watch):
        with pytest.raises(AssertionError, match="image-alt"):
            assert_accessible(page)

        assert watch.problems == []


def test_a_page_too_wide_for_a_telephone_is_noticed(browser: Browser) -> None:
    words = "wide" * 300

    with (
        opened(browser, f"<p>{words}</p>") as (page, _),
        pytest.raises(AssertionError, match="390"),
    ):
        assert_fits(page)
