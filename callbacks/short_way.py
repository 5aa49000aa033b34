"""The short way in for callbacks: past Flask, with the answer that Flask's way gives.

Callbacks come by the thousand and nearly all are as they should be. Those are answered here, at
about half the price. Whatever is not plain, or fails, goes the whole way as if nobody had looked
at it; so refusals and errors are written in one place only.
"""

import logging
import re
from collections.abc import Iterable
from http import HTTPStatus
from io import BytesIO
from time import perf_counter
from typing import TYPE_CHECKING

from flask import Flask

from callbacks import inbox
from core import log_context, web
from core.clock import utcnow
from core.db import reading

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

LARGEST = 256 * 1024
ROUTE = "/callbacks/<provider>"

_PATH = re.compile(r"/callbacks/([a-z0-9._-]{1,60})")
_LENGTH = re.compile(r"[0-9]{1,6}")
_SPECIAL = ("HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING")


class ShortWay:
    """A WSGI application in front of Flask's own, `whole_way`."""

    def __init__(self, app: Flask, whole_way: "WSGIApplication") -> None:
        self.app = app
        self.whole_way = whole_way
        self.hosts = web.trusted_hosts(web.settings_of(app))

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a plain callback; hand anything else on."""
        began = perf_counter()
        code = self._provider(environ)
        if code is None:
            return self.whole_way(environ, start_response)
        request_id = web.request_id_of(environ)
        with log_context.bind(request_id=request_id):
            stored = self._receive(environ, code)
        if stored is None:
            return self.whole_way(environ, start_response)
        status = HTTPStatus.ACCEPTED if stored.is_new else HTTPStatus.OK
        body = b'{"id":"%s"}\n' % str(stored.id).encode()
        start_response(f"{status:d} {status.phrase.upper()}", _headers(body, request_id))
        web.log_request(environ, ROUTE, status, began, response_bytes=len(body))
        return [body]

    def _provider(self, environ: "WSGIEnvironment") -> str | None:
        """Return the provider's code when the request is plain, by its looks."""
        path = _PATH.fullmatch(environ.get("PATH_INFO", ""))
        is_plain = (
            path is not None
            and environ["REQUEST_METHOD"] == "POST"
            and _LENGTH.fullmatch(environ.get("CONTENT_LENGTH", "")) is not None
            and int(environ["CONTENT_LENGTH"]) <= LARGEST
            and not any(name in environ for name in _SPECIAL)
            and (self.hosts is None or web.host_of(environ) in self.hosts)
        )
        return path[1] if path is not None and is_plain else None

    def _receive(self, environ: "WSGIEnvironment", code: str) -> inbox.Stored | None:
        """Store the callback; None, and the body put back, when that did not simply work."""
        body = b""
        try:
            body = environ["wsgi.input"].read(length := int(environ["CONTENT_LENGTH"]))
            if len(body) == length:
                with self.app.app_context(), reading() as connection:
                    sender = inbox.sender(connection, code)
                    return inbox.receive(connection, sender, _given(environ), body, utcnow())
        except Exception:
            # The whole way meets it again, and answers and logs it as any other error.
            logger.debug("not the short way", exc_info=True)
        environ["wsgi.input"] = BytesIO(body)
        return None


def _given(environ: "WSGIEnvironment") -> dict[str, str]:
    """Return the request's headers, names in lower case."""
    given = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if "CONTENT_TYPE" in environ:
        given["content-type"] = environ["CONTENT_TYPE"]
    return given


def _headers(body: bytes, request_id: str) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        *web.common_headers(request_id),
    ]
