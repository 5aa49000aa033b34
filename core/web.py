"""What holds for every request: its id, its log line, what is refused, and headers of answers.

These hooks run on every callback, thousands of times a second: a few microseconds in all.
"""

import logging
import re
from time import perf_counter
from urllib.parse import urlsplit

from flask import Flask, Request, Response, current_app, g, request
from flask.json.provider import DefaultJSONProvider
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.exceptions import BadRequest

from core import docs_page, health, problems
from core.errors import MediaTypeError
from core.ids import new_id
from core.settings import Settings

logger = logging.getLogger("kuvert.request")

_PORT = re.compile(r":\d+$")
_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked for by address, not by name: by Kubernetes, load balancers, Prometheus."""


def init_app(app: Flask) -> None:
    """Attach to `app` what all requests share, the health pages and the API's description."""
    app.before_request(_begin)
    hosts = trusted_hosts(settings_of(app))
    if hosts is not None:
        app.before_request(_HostCheck(hosts))
    app.after_request(_finish)
    app.session_interface = _Sessions()
    if isinstance(app.json, DefaultJSONProvider):
        app.json.sort_keys = False  # members stand as they were written
    problems.init_app(app)
    app.register_blueprint(health.bp)
    app.register_blueprint(docs_page.bp)


class _Sessions(SecureCookieSessionInterface):
    """Flask's sessions; a caller without any cookie costs no signer, and most are such."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session of the cookie, or a new one."""
        if "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        return super().open_session(app, request)


def settings_of(app: Flask) -> Settings:
    """Return the settings that `app` was built from."""
    found: Settings = app.extensions["kuvert_settings"]
    return found


def settings() -> Settings:
    """Return the settings of the current application."""
    return settings_of(current_app)


def trusted_hosts(settings: Settings) -> frozenset[str] | None:
    """Return the names a request may call us by; None: any, which only development allows."""
    if settings.environment == "development":
        return None
    own = urlsplit(settings.public_url).hostname or ""
    return frozenset({f"[{own}]" if ":" in own else own, "localhost", "127.0.0.1", "[::1]"})


def _begin() -> None:
    """Give the request its id; refuse a body that is compressed."""
    environ = request.environ
    given = environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = given if _SANE_ID.fullmatch(given) else str(new_id())
    g.began = perf_counter()
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() not in {"", "identity"}:
        # A few kilobytes may inflate to gigabytes; no sender of invoices needs it.
        raise MediaTypeError("Compressed bodies are not accepted")


class _HostCheck:
    """Refuses a request that calls us by a name that is not ours.

    Links are never built from the Host header, but caches and proxies in front may believe it.
    """

    def __init__(self, hosts: frozenset[str]) -> None:
        self.hosts = hosts

    def __call__(self) -> None:
        environ = request.environ
        name = _PORT.sub("", environ.get("HTTP_HOST", "")).lower().removesuffix(".")
        if name not in self.hosts and environ.get("PATH_INFO") not in _PROBES:
            raise BadRequest("This host name is not served here; KUVERT_PUBLIC_URL says which is")


def _finish(response: Response) -> Response:
    """Add the headers that every answer has, and write the request's log line."""
    headers = response.headers
    headers["X-Request-ID"] = g.request_id
    headers["X-Content-Type-Options"] = "nosniff"
    if "Cache-Control" not in headers and request.path.startswith(("/api/", "/callbacks/")):
        headers["Cache-Control"] = "no-store"
    if logger.isEnabledFor(logging.INFO):
        logger.info("request", extra=_log_fields(response.status_code))
    return response


def _log_fields(status: int) -> dict[str, object]:
    """Say what was asked and how it ended: the rule, not the path, and nothing of the query."""
    rule = request.url_rule
    fields: dict[str, object] = {
        "method": request.method,
        "route": rule.rule if rule else "none",
        "status": status,
        "duration_ms": round((perf_counter() - g.began) * 1000, 1),
        "request_id": g.request_id,
    }
    caller = g.get("caller")
    if caller is not None:
        fields["source"] = caller.source_name
    return fields
