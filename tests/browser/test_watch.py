"""The watch itself: each thing that a page must not do is noticed."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.looks import assert_accessible, assert_fits
from tests.browser.watch import Watch

STRICT = "default-src 'self'; img-src data:; script-src 'nonce-n'; frame-ancestors 'none'"
PAGE = """<!doctype html><html lang="en"><title>A page</title><meta charset="utf-8">
<link rel="icon" href="data:,"><main><h1>A page</h1>%s</main></html>"""


class _Handler(BaseHTTPRequestHandler):
    body, policy = "", STRICT

    def do_GET(self) -> None:
        status = {"/": 200, "/broken": 500}.get(self.path, 404)
        content = (PAGE % self.body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        if self.policy:
            self.send_header("Content-Security-Policy", self.policy)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Say nothing on the terminal."""


@contextmanager
def opened(
    browser: Browser, body: str, policy: str = STRICT, path: str = "/"
) -> Iterator[tuple[Page, Watch]]:
    handler = type("Handler", (_Handler,), {"body": body, "policy": policy})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    origin = f"http://localhost:{server.server_address[1]}"
    context = browser.new_context()
    try:
        watch = Watch(context, origin)
        page = context.new_page()
        page.goto(origin + path)
        page.evaluate("0")  # what was noted before comes before this answer
        yield page, watch
    finally:
        context.close()
        server.shutdown()
        server.server_close()
        thread.join()


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
        ("<link rel='stylesheet' href='/absent'>", "answer: 404 to GET"),
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
