"""What proves that a mail speaks of a delivery of ours: the dispatch key, signed.

It stands in the envelope sender (VERP) and in the Message-ID of each mail that we send, so that a
bounce brings it back. Letters and digits of one case alone: mail systems change the case of
addresses and fold long words. It never expires, for a bounce may take its time; a new
KUVERT_SECRET_KEY makes the tokens of earlier mails worthless.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from uuid import UUID

from core.errors import InputError

HEADER = "Kuvert-Dispatch"
"""Stands in every mail that we send, so that one that comes back is known."""

LONGEST_LOCAL_PART = 64
"""RFC 5321 §4.5.3.1.1, in bytes."""

_PURPOSE = b"kuvert mail token 1:"
_SIGNATURE_BYTES = 10
_KEY_LENGTH, _SIGNATURE_LENGTH = 26, 16
_MOST_CANDIDATES = 100
_TOKEN = re.compile(
    rf"(?<![A-Za-z0-9])([A-Za-z2-7]{{{_KEY_LENGTH + _SIGNATURE_LENGTH}}})(?![A-Za-z0-9])"
)


def mint(secret_key: str, dispatch_key: UUID) -> str:
    """Return the token of a delivery: 42 small letters and digits."""
    return _encoded(dispatch_key.bytes) + _encoded(_signature(secret_key, dispatch_key.bytes))


def verify(secret_key: str, token: str) -> UUID | None:
    """Return the dispatch key of a token that is ours; None for any other text."""
    if _TOKEN.fullmatch(token) is None:
        return None
    key = _decoded(token[:_KEY_LENGTH])
    given = _decoded(token[_KEY_LENGTH:])
    if key is None or given is None:
        return None
    is_ours = hmac.compare_digest(_signature(secret_key, key), given)
    return UUID(bytes=key) if is_ours else None


def find(secret_key: str, texts: Iterable[str]) -> list[UUID]:
    """Return the dispatch keys of the tokens in addresses and Message-IDs, each once."""
    candidates = [match[1] for text in texts for match in _TOKEN.finditer(text)]
    found = (verify(secret_key, candidate) for candidate in candidates[:_MOST_CANDIDATES])
    return list(dict.fromkeys(key for key in found if key is not None))


def is_in(texts: Iterable[str]) -> bool:
    """Tell whether anything looks like a token, whosever it is."""
    return any(_TOKEN.search(text) for text in texts)


def envelope_sender(secret_key: str, dispatch_key: UUID, address: str) -> str:
    """Return the address that bounces of a delivery come to: `billing+TOKEN@example.org`.

    Raises:
        InputError: there is no room for the token in front of the @ of `address`.
    """
    local, _, domain = address.rpartition("@")
    signed = f"{local}+{mint(secret_key, dispatch_key)}"
    if not local or not domain or len(signed.encode()) > LONGEST_LOCAL_PART:
        longest = LONGEST_LOCAL_PART - _KEY_LENGTH - _SIGNATURE_LENGTH - 1
        detail = f"{address}: at most {longest} characters may stand before the @"
        raise InputError.at("/mail_from", "length", detail)
    return f"{signed}@{domain}"


def message_id(secret_key: str, dispatch_key: UUID, domain: str) -> str:
    """Return the Message-ID of a delivery, the same for each attempt."""
    return f"<kuvert.{mint(secret_key, dispatch_key)}@{domain}>"


def _signature(secret_key: str, key: bytes) -> bytes:
    return hmac.digest(secret_key.encode(), _PURPOSE + key, hashlib.sha256)[:_SIGNATURE_BYTES]


def _encoded(content: bytes) -> str:
    return base64.b32encode(content).decode().rstrip("=").lower()


def _decoded(text: str) -> bytes | None:
    padded = text.upper() + "=" * (-len(text) % 8)
    try:
        content = base64.b32decode(padded)
    except ValueError:
        return None
    # The last letter has room for bits that mean nothing: one spelling alone is ours.
    return content if _encoded(content) == text.lower() else None
