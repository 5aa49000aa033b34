"""A few pages on a free port, for tests of the tests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

STRICT = "default-src 'self'; img-src data:; script-src 'nonce-n'; frame-ancestors 'none'"
PAGE = """<!doctype html><html lang="en"><title>A page</title><meta charset="utf-8">
<link rel="icon" href="data:,"><main><h1>A page</h1>%s</main></html>"""


class _Handler(BaseHTTPRequestHandler):
    pages: ClassVar[Mapping[str, str]] = {}
    policy = STRICT

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        status = 500 if path == "/broken" else 200 if path in self.pages else 404
        content = (PAGE % self.pages.get(path, "")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("X-Content-Type-Options", "nosniff")
        if "/export/" in path:
            self.send_header("Content-Disposition", "attachment")
        if self.policy:
            self.send_header("Content-Security-Policy", self.policy)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Say nothing on the terminal."""


@contextmanager
def serving(pages: Mapping[str, str], policy: str = STRICT) -> Iterator[str]:
    """Serve the pages, by their paths; `/broken` answers 500. Yields where that is."""
    handler = type("Handler", (_Handler,), {"pages": pages, "policy": policy})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
