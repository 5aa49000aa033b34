"""What holds for every request: its id, its log line, what is refused, and headers of answers.

These hooks run on every callback, thousands of times a second: a few microseconds in all.
"""

import logging
import re
from datetime import datetime, timedelta
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, Request, Response, current_app, g, request
from flask.json.provider import DefaultJSONProvider
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.exceptions import BadRequest

from core import actor, docs_page, health, log_context, metrics, problems
from core.clock import utcnow
from core.errors import MediaTypeError
from core.ids import new_id
from core.metrics import page
from core.pages import BY_KEY, PROBES, is_without_session
from core.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger("kuvert.request")

RENEWAL = timedelta(minutes=1)
"""A cookie that was signed longer ago is renewed with the next page."""

_PORT = re.compile(r":\d+$")
_LENGTH = re.compile(r"[0-9]{1,15}")
_ID_KEY = "kuvert.request_id"
_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")


def init_app(app: Flask) -> None:
    """Attach to `app` what all requests share, the health pages and the API's description."""
    app.before_request(_begin)
    hosts = trusted_hosts(settings_of(app))
    if hosts is not None:
        app.before_request(_HostCheck(hosts))
    app.after_request(_finish)
    app.teardown_request(_end)
    app.session_interface = _Sessions()
    problems.init_app(app)
    app.register_blueprint(health.bp)
    app.register_blueprint(docs_page.bp)
    app.register_blueprint(page.bp)


def keep_order(app: Flask) -> None:
    """Let the members of answers stand as they were written.

    Called last: an extension may put a JSON provider of its own in the place of Flask's.
    """
    if isinstance(app.json, DefaultJSONProvider):
        app.json.sort_keys = False


class _Session(SecureCookieSession):
    """A session that knows when its cookie was signed; None for a new one."""

    signed_at: datetime | None = None


class _Sessions(SecureCookieSessionInterface):
    """Flask's sessions, where there are any; a caller without a cookie costs no signer."""

    _signer: URLSafeTimedSerializer | None = None

    session_class = _Session

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Return what signs and reads cookies; made once, not for each request."""
        if self._signer is None:
            self._signer = super().get_signing_serializer(app)
        return self._signer

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session of the cookie, or a new one."""
        if "HTTP_COOKIE" not in request.environ or is_without_session(request.environ):
            return _Session()
        cookie = request.cookies.get(self.get_cookie_name(app))
        signer = self.get_signing_serializer(app)
        if not cookie or signer is None:
            return _Session()
        longest = int(app.permanent_session_lifetime.total_seconds())
        try:
            data, signed_at = signer.loads(cookie, max_age=longest, return_timestamp=True)
        except BadSignature:
            return _Session()
        session = _Session(data)
        session.signed_at = signed_at
        return session

    def should_set_cookie(self, app: Flask, session: SessionMixin) -> bool:
        """Tell whether the answer brings the cookie anew, which puts its end off.

        One of this minute is as good as a new one. A page that loads itself again says nothing of
        whether somebody is there.
        """
        if session.modified:
            return True
        is_of_now = (
            isinstance(session, _Session)
            and session.signed_at is not None
            and abs(utcnow() - session.signed_at) < RENEWAL
        )
        return not (is_of_now or _is_by_itself()) and super().should_set_cookie(app, session)


def _is_by_itself() -> bool:
    """Tell whether a script went to this page, without a click (W3C Fetch Metadata)."""
    headers = request.headers
    return headers.get("Sec-Fetch-Mode") == "navigate" and "Sec-Fetch-User" not in headers


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


def request_id_of(environ: "WSGIEnvironment") -> str:
    """Return the id that the caller gave the request, when it is a sane one, or a new one.

    Whoever asks again for the same request gets the same one.
    """
    known: str | None = environ.get(_ID_KEY)
    if known is None:
        given: str = environ.get("HTTP_X_REQUEST_ID", "")
        known = environ[_ID_KEY] = given if _SANE_ID.fullmatch(given) else str(new_id())
    return known


def host_of(environ: "WSGIEnvironment") -> str:
    """Return the name that the request calls us by, without its port."""
    return _PORT.sub("", environ.get("HTTP_HOST", "")).lower().removesuffix(".")


def _begin() -> None:
    """Give the request its id; refuse a body that is compressed."""
    environ = request.environ
    g.request_id = request_id_of(environ)
    # Whoever authenticates the caller names him by actor.act_as: API keys in core.access, people
    # in a before_request of their own.
    actor.begin_request(g.request_id)
    log_context.begin(request_id=g.request_id)
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
        if host_of(environ) not in self.hosts and environ.get("PATH_INFO") not in PROBES:
            raise BadRequest("This host name is not served here; KUVERT_PUBLIC_URL says which is")


def common_headers(request_id: str) -> tuple[tuple[str, str], ...]:
    """Return the headers that every answer has."""
    return (("X-Request-ID", request_id), ("X-Content-Type-Options", "nosniff"))


def _finish(response: Response) -> Response:
    """Add the headers that every answer has, and write the request's log line."""
    headers = response.headers
    for name, value in common_headers(g.request_id):
        headers[name] = value
    if "Cache-Control" not in headers and request.path.startswith(BY_KEY):
        headers["Cache-Control"] = "no-store"
    rule = request.url_rule
    log_request(
        request.environ,
        rule.rule if rule else "none",
        response.status_code,
        g.began,
        response_bytes=response.content_length,
        **_who(),
    )
    return response


def _who() -> dict[str, object]:
    """Return the source whose key was sent, or who is logged in; nothing for anybody else."""
    caller = g.get("caller")
    if caller is not None:
        return {"source_name": caller.source_name}
    name = actor.current()
    return {} if name == actor.NOBODY_YET else {"user_name": name}


def _end(error: BaseException | None = None) -> None:  # noqa: ARG001 - as Flask calls it
    """Let no later line of this thread pass for one of the request."""
    log_context.end()


def log_request(
    environ: "WSGIEnvironment", route: str, status: int, began: float, **more: object
) -> None:
    """Count and say what was asked and how it ended: the rule, not the path, nothing of the query.

    `began` is what `perf_counter` said. Sizes are of bodies, in bytes, as far as they are known
    beforehand.
    """
    seconds = perf_counter() - began
    metrics.request(environ["REQUEST_METHOD"], route, int(status), seconds)
    if logger.isEnabledFor(logging.INFO):
        fields = {
            "method": environ["REQUEST_METHOD"],
            "route": route,
            "status": int(status),
            "duration_ms": round(seconds * 1000, 1),
            "request_id": request_id_of(environ),
            "request_bytes": _size(environ),
            **more,
        }
        logger.info("request", extra=fields)


def _size(environ: "WSGIEnvironment") -> int | None:
    """Return how long the body of a request is said to be; None when that is not known."""
    length = environ.get("CONTENT_LENGTH") or "0"
    is_known = "HTTP_TRANSFER_ENCODING" not in environ and _LENGTH.fullmatch(length)
    return int(length) if is_known else None
