"""What all resources of the API share: ids in paths, query parameters, pages, versions."""

import base64
import binascii
import difflib
import hmac
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import Response, jsonify, request
from werkzeug.exceptions import PreconditionFailed

from core import strict_json
from core.bodies import read_body
from core.errors import Finding, InputError, MediaTypeError, NotFoundError, UnreadableError
from core.web import settings

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200

_LIMIT = re.compile(r"[0-9]{1,3}")
_ID_BYTES = 16
_SEAL_BYTES = 8  # with the id 24 bytes, which base64 writes without padding


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for: what comes after `after`, at most `limit` of it."""

    limit: int
    after: UUID | None


def path_id(text: str) -> UUID:
    """Read the id in a path.

    Raises:
        NotFoundError: it is no id, which is answered like an id of nothing (ASVS 8.2.2).
    """
    try:
        return UUID(text)
    except ValueError:
        raise not_found() from None


def not_found() -> NotFoundError:
    """Build the one answer for an id of nothing and of somebody else's."""
    return NotFoundError("There is nothing with this id")


def parameters(*known: str, repeatable: Collection[str] = ()) -> dict[str, list[str]]:
    """Return the query's parameters by name; each must be known and may come once.

    Raises:
        InputError: a parameter nobody knows, or one more than once that is not `repeatable`.
    """
    given = request.args.to_dict(flat=False)
    findings = [
        Finding(f"/{name}", "unknown-parameter", _unknown(name, [*known, *repeatable]))
        for name in given
        if name not in known and name not in repeatable
    ]
    findings += [
        Finding(f"/{name}", "repeated", f"Parameter '{name}' appears twice")
        for name in known
        if len(given.get(name, ())) > 1
    ]
    if findings:
        raise InputError("; ".join(finding.message for finding in findings), findings=findings)
    return given


def _unknown(name: str, known: Sequence[str]) -> str:
    shown = name[:60].encode(errors="backslashreplace").decode()
    close = difflib.get_close_matches(name, known, 1)
    return f"Unknown parameter '{shown}'" + (f" (did you mean '{close[0]}'?)" if close else "")


def page(given: Mapping[str, Sequence[str]]) -> Page:
    """Read `limit` and `cursor`.

    Raises:
        UnreadableError: a limit outside 1 to 200, or a cursor that we did not make.
    """
    cursor = given.get("cursor")
    return Page(limit(given), read_cursor(cursor[0]) if cursor else None)


def limit(given: Mapping[str, Sequence[str]]) -> int:
    """Read `limit`; 50 when it is not given.

    Raises:
        UnreadableError: it is outside 1 to 200.
    """
    text = given.get("limit", (str(DEFAULT_LIMIT),))[0]
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= LARGEST_LIMIT:
        findings = [Finding("/limit", "range", f"1 to {LARGEST_LIMIT}")]
        raise UnreadableError(f"limit: 1 to {LARGEST_LIMIT}", findings=findings)
    return int(text)


def write_cursor(last: UUID) -> str:
    """Write where the next page begins, sealed, so that nobody comes to rely on its inside."""
    return base64.urlsafe_b64encode(last.bytes + _seal(last.bytes)).decode("ascii")


def read_cursor(text: str) -> UUID:
    """Read what `write_cursor` wrote for this list.

    Raises:
        UnreadableError: it is something else.
    """
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise bad_cursor() from None
    content, seal = raw[:_ID_BYTES], raw[_ID_BYTES:]
    if len(content) < _ID_BYTES or not hmac.compare_digest(seal, _seal(content)):
        raise bad_cursor()
    return UUID(bytes=content)


def bad_cursor() -> UnreadableError:
    """Build the answer to a cursor that we did not make."""
    return UnreadableError("cursor not valid: take it from the Link header or `next`")


def _seal(content: bytes) -> bytes:
    """Seal for one list alone: the cursor of another list is refused too."""
    message = f"cursor of {request.url_rule}\0".encode() + content
    return hmac.digest(settings().secret_key.encode(), message, "sha256")[:_SEAL_BYTES]


def listed(
    rows: Sequence[Any], asked: Page, to_json: Callable[[Any], Mapping[str, object]]
) -> Response:
    """Answer with one page: `items`, and in `next` and `Link` where to go on, if anywhere.

    `rows` holds one row more than asked for when there is a next page.
    """
    shown = rows[: asked.limit]
    following = write_cursor(shown[-1].id) if len(rows) > asked.limit else None
    answer = jsonify(items=[to_json(row) for row in shown], next=following)
    if following:
        answer.headers["Link"] = next_link("cursor", following)
    return answer


def next_link(name: str, value: str) -> str:
    """Write the Link header (RFC 8288) of the next page: this request with another cursor."""
    query = [(key, text) for key, text in request.args.items(multi=True) if key != name]
    return (
        f'<{settings().public_url}{request.path}?{urlencode([*query, (name, value)])}>; rel="next"'
    )


def json_object() -> dict[str, object]:
    """Return the request's body, which must be a JSON object.

    Raises:
        MediaTypeError: it is said to be something else.
        UnreadableError: it is not JSON as we read it, or no object.
    """
    if request.mimetype != "application/json":
        raise MediaTypeError("Send application/json")
    body = strict_json.loads(read_body())
    if not isinstance(body, dict):
        raise UnreadableError("Expected an object")
    return body


def check_version(version: int) -> None:
    """Refuse the request when its If-Match names another version than the row's.

    Raises:
        PreconditionFailed: answered as 412; somebody changed the row since it was read.
    """
    if "If-Match" in request.headers and not request.if_match.contains(str(version)):
        raise PreconditionFailed(f"It was changed since you read it; it is at version {version}")


def versioned(answer: Response, version: int) -> Response:
    """Give an answer its ETag, and make it 304 when the caller has that version (RFC 9110)."""
    answer.set_etag(str(version))
    answer.make_conditional(request)
    return answer
