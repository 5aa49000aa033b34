"""Reading a request's body: the whole of it or an error, never a part.

Werkzeug stops at the limit without a word when a body comes in chunks, and believes a server that
ends its input (gunicorn does) also where fewer bytes came than Content-Length promised. A batch
of lines that is cut off reads like a shorter batch, so neither may pass.
"""

import logging

from flask import request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import RequestEntityTooLarge

from core.errors import UnreadableError

MOST_DISCARDED = 20 * 1024 * 1024
_BLOCK = 64 * 1024

logger = logging.getLogger(__name__)


def read_body() -> bytes:
    """Return the body of the current request.

    Raises:
        UnreadableError: it ended early, or its chunks cannot be read (RFC 9112 §7.1).
        RequestEntityTooLarge: answered as 413.
    """
    try:
        body = request.get_data(cache=False)
    except ParseException:
        raise UnreadableError("The chunks of the body cannot be read") from None
    promised = request.content_length
    if promised is None:
        _check_limit(len(body))
    elif len(body) < promised:
        raise UnreadableError(f"The body ended after {len(body):,} of {promised:,} bytes")
    return body


def discard_body() -> None:
    """Read what is left of a body that is refused, 20 MiB at most.

    A server that closes a connection with much of it unread resets it, and the sender may lose
    the answer before it has been read.
    """
    left = MOST_DISCARDED
    body = request.environ["wsgi.input"]
    try:
        while left > 0 and (block := body.read(min(left, _BLOCK))):
            left -= len(block)
    except (ParseException, OSError) as error:
        logger.info("the rest of a refused body cannot be read", extra={"error": str(error)})


def _check_limit(size: int) -> None:
    """Refuse a body in chunks that reaches the limit: nothing says that it ended there."""
    limit = request.max_content_length
    if limit is not None and size >= limit:
        raise RequestEntityTooLarge
