"""Errors on the wire: problem details for HTTP (RFC 9457).

`type` is `urn:kuvert:problem:<slug>`, a name and not an address: it needs no page and stays the
same whatever KUVERT_PUBLIC_URL is. docs/integrators.md lists the slugs.
"""

import logging
from collections.abc import Iterable, Mapping

from flask import Flask, Response, current_app, g, request
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wrappers import Response as AnyResponse

from core import bodies, errors, pages
from core.errors import Finding, KuvertError
from core.outages import Outage, outage

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:kuvert:problem:"
RETRY_SECONDS = 5
FULL_SLUG = "storage-full"
MEGABYTE = 1024 * 1024

_OURS = {
    kind.status_code: (kind.slug, kind.title)
    for kind in (
        errors.UnreadableError,
        errors.UnauthenticatedError,
        errors.ForbiddenError,
        errors.NotFoundError,
        errors.ConflictError,
        errors.GoneError,
        errors.TooLargeError,
        errors.MediaTypeError,
        errors.InputError,
        errors.TooManyError,
        errors.NotInstalledError,
        errors.UnavailableError,
        KuvertError,
    )
}


def init_app(app: Flask) -> None:
    """Have every error of `app` answered as a problem."""
    app.register_error_handler(KuvertError, of_kuvert)
    app.register_error_handler(HTTPException, of_http)
    app.register_error_handler(Exception, of_unexpected)


def known() -> dict[str, str]:
    """Return the titles of all problems that a caller may get, by slug."""
    found = dict(sorted(_OURS.values()))
    return {**found, FULL_SLUG: HTTP_STATUS_CODES[507], **dict(map(_of_status, (405, 412)))}


def problem(
    status: int,
    detail: str,
    *,
    slug: str | None = None,
    title: str | None = None,
    findings: Iterable[Finding] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Build a problem; slug and title are those of the status unless given.

    Whoever looks at a page gets a page that says the same.
    """
    own_slug, own_title = _OURS.get(status) or _of_status(status)
    if pages.is_asked_for():
        return pages.failure(status, title or own_title, detail, headers or {})
    body: dict[str, object] = {
        "type": PREFIX + (slug or own_slug),
        "title": title or own_title,
        "status": status,
        "detail": detail,
        "request_id": g.get("request_id"),
    }
    found = [finding.to_json() for finding in findings]
    if found:
        body["errors"] = found
    text = current_app.json.dumps(body)
    return Response(text, status, headers=headers, content_type=MEDIA_TYPE)


def of_kuvert(error: KuvertError) -> Response:
    """Answer an error that was raised on purpose; what is ours to mend is logged, not told."""
    if error.status_code == KuvertError.status_code:
        return of_unexpected(error)
    headers = error.headers
    if error.status_code == errors.UnavailableError.status_code:
        headers = {"Retry-After": str(RETRY_SECONDS), **headers}
    return problem(
        error.status_code,
        error.detail,
        slug=error.slug,
        title=error.title,
        findings=error.findings,
        headers=headers,
    )


def of_http(error: HTTPException) -> AnyResponse:
    """Answer an error of routing or parsing; its headers (Allow, Retry-After) are kept."""
    if error.response is not None:
        return error.get_response()
    if isinstance(error, RequestEntityTooLarge):
        bodies.discard_body()
    kept = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    return problem(error.code or 500, _detail(error), headers=kept)


def of_unexpected(error: Exception) -> Response:
    """Answer what nobody foresaw: 503 or 507 where a part is away or full, else 500."""
    kind = outage(error)
    if kind is None:
        logger.error("request failed", extra={"request_id": g.get("request_id")}, exc_info=error)
        return problem(500, "Something went wrong here; name the request_id when you report it")
    # Not the traceback: it repeats the statement's parameters, which may be recipients' data.
    cause = error.orig if isinstance(error, DBAPIError) else error
    logger.error(
        "storage full" if kind is Outage.FULL else "database away",
        extra={"request_id": g.get("request_id"), "error": _first_line(cause)},
    )
    headers = {"Retry-After": str(RETRY_SECONDS)}
    if kind is Outage.FULL:
        return problem(507, "Storage is full; nothing was stored", slug=FULL_SLUG, headers=headers)
    return problem(503, "The database is away; nothing was stored", headers=headers)


def _detail(error: HTTPException) -> str:
    """Say what is wrong in our words, unless whoever raised it had words of their own."""
    if isinstance(error, RequestEntityTooLarge):
        return f"Limit is {_size(request.max_content_length or 0)}"
    if error.description == type(error).description:
        return _DETAILS.get(error.code or 0) or _first_line(error)
    return _first_line(error)


_DETAILS = {
    404: "There is nothing at this address",
    405: "This address does not take that method; Allow says which it takes",
}


def _size(count: int) -> str:
    """Write a number of bytes as people do."""
    return f"{count // MEGABYTE} MB" if count >= MEGABYTE else f"{count // 1024} kB"


def _of_status(status: int) -> tuple[str, str]:
    """Return slug and title of a status that no error of ours has."""
    title = HTTP_STATUS_CODES.get(status, "Error")
    return title.lower().replace(" ", "-"), title


def _first_line(error: object) -> str:
    text = error.description if isinstance(error, HTTPException) else str(error)
    return (text or type(error).__name__).splitlines()[0]
