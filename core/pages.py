"""Pages for people: who gets one instead of a problem in JSON, and the page of an error."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from flask import Response, g, render_template, request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

BY_KEY = ("/api/", "/callbacks/")
"""Where callers prove who they are with each request."""

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked for by address, not by name: by Kubernetes, load balancers, Prometheus."""

_FILES = re.compile(r"/(fs-|admin/)?static/")

HTML = "text/html"
_JSON = "application/json"
_STAFF = ("/admin",)
_LOGIN = "security"


def is_without_session(environ: "WSGIEnvironment") -> bool:
    """Tell whether a cookie counts for nothing at this address.

    Keys and signatures count there; or it is a file for everybody, which may be kept on the way
    and must not carry anybody's session.
    """
    path: str = environ.get("PATH_INFO", "")
    return path.startswith(BY_KEY) or path in PROBES or _FILES.match(path) is not None


def is_asked_for() -> bool:
    """Tell whether the current request is answered with a page, also where it fails.

    Programs get JSON under `/api` and the like. Elsewhere a page goes to whoever prefers HTML, as
    browsers do, and at the addresses of staff also to whoever does not say.
    """
    if is_without_session(request.environ):
        return False
    accepted = request.accept_mimetypes
    html, json = accepted.quality(HTML), accepted.quality(_JSON)
    return html > json or (html == json and is_for_staff())


def is_for_staff() -> bool:
    """Tell whether the current request is for a page that only staff have a use for."""
    return request.blueprint == _LOGIN or is_of_the_desk()


def is_of_the_desk() -> bool:
    """Tell whether the current request is for a page under `/admin`."""
    return request.path.startswith(_STAFF)


def failure(status: int, title: str, detail: str, headers: Mapping[str, str]) -> Response:
    """Say on a page that the request failed."""
    text = render_template(
        "kuvert/failure.html",
        status=status,
        title=title,
        detail=detail,
        request_id=g.get("request_id"),
    )
    return Response(text, status, headers=headers, content_type=f"{HTML}; charset=utf-8")
