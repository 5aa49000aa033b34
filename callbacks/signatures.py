"""How a provider proves that a callback is its own: four profiles behind one call.

| profile | what is checked | options |
|---|---|---|
| standard-webhooks | `webhook-id`, `webhook-timestamp`, `webhook-signature` | none |
| hmac-sha256 | HMAC of the body in `X-Signature`, hex or base64, `sha256=` allowed | `header`, \
`timestamp_header`, `form` |
| basic | `Authorization: Basic`, the secret reads `user:password` (RFC 7617) | none |
| token | `Authorization: Bearer` (RFC 6750), or the whole of a header | `header` |

With `timestamp_header` the HMAC is over `timestamp.body`, for a time that is not signed proves
nothing. `form=stripe` reads `t=…,v1=…` from `Stripe-Signature`, which is signed the same way.
Each profile accepts any one of several live secrets and compares in constant time.
"""

import base64
import hashlib
import hmac
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from core import webhooks
from core.errors import InputError, UnauthenticatedError

logger = logging.getLogger(__name__)

_HEADER = "header"
_TIMESTAMP_HEADER = "timestamp_header"
_FORM = "form"
_FORMS = frozenset({"plain", "stripe"})
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_HEX_DIGEST = re.compile(r"[0-9A-Fa-f]{64}")
_MOST_SIGNATURES = 16


class SignatureProfile(StrEnum):
    """The ways of a provider to sign its callbacks."""

    STANDARD_WEBHOOKS = "standard-webhooks"
    HMAC_SHA256 = "hmac-sha256"
    BASIC = "basic"
    TOKEN = "token"  # noqa: S105 - the name of a profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came in: `headers` in lower case, `now` aware."""

    headers: Mapping[str, str]
    body: bytes
    now: datetime


class Verifier(Protocol):
    """One profile; returns the provider's event id, None where the profile has none."""

    def __call__(
        self, received: Received, secrets: Sequence[str], options: Mapping[str, str]
    ) -> str | None:
        """Accept the callback, or raise UnauthenticatedError."""


def verify(
    profile: SignatureProfile,
    *,
    secrets: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    options: Mapping[str, str],
) -> str | None:
    """Return the provider's event id (`webhook-id`) of a genuine callback, None if it has none.

    Raises:
        UnauthenticatedError: it is not genuine; the message says why and holds no secret.
    """
    live = [secret for secret in secrets if secret]
    if not live:
        raise UnauthenticatedError("no secret is set for this provider")
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    return _VERIFIERS[profile](Received(headers=lowered, body=body, now=now), live, options)


def check_secret(profile: SignatureProfile, secret: str) -> None:
    """Refuse a secret with which no callback could ever be genuine.

    Raises:
        InputError: it is empty, or not in the form that `profile` needs.
    """
    if profile is SignatureProfile.STANDARD_WEBHOOKS:
        webhooks.Secret.parse(secret)
    elif profile is SignatureProfile.BASIC and not all(secret.partition(":")):
        raise InputError.at("/secret", "callback-secret", "basic needs user:password")
    elif not secret:
        raise InputError.at("/secret", "callback-secret", "the secret is empty")


def check_options(profile: SignatureProfile, options: Mapping[str, str]) -> None:
    """Refuse options that `profile` does not know or cannot read.

    Raises:
        InputError: naming the first that is wrong.
    """
    for name, value in options.items():
        where = f"/options/{name}"
        if name not in _OPTIONS[profile]:
            raise InputError.at(where, "callback-option", f"{profile} has no option {name}")
        is_known = value in _FORMS if name == _FORM else _HEADER_NAME.fullmatch(value)
        if not is_known:
            raise InputError.at(where, "callback-option", f"{name} cannot be read")


def _standard_webhooks(
    received: Received, secrets: Sequence[str], options: Mapping[str, str]
) -> str:
    del options
    usable = [secret for secret in map(_parsed, secrets) if secret]
    if not usable:
        raise UnauthenticatedError("no usable secret is set for this provider")
    return webhooks.verify(usable, received.headers, received.body, received.now)


def _hmac_sha256(received: Received, secrets: Sequence[str], options: Mapping[str, str]) -> None:
    timestamp: str | None
    if options.get(_FORM) == "stripe":
        timestamp, digests = _stripe_parts(
            _header(received, options.get(_HEADER, "Stripe-Signature"))
        )
    else:
        digests = [_digest(_header(received, options.get(_HEADER, "X-Signature")))]
        timestamp = _timestamp(received, options)
    content = received.body
    if timestamp is not None:
        webhooks.check_timestamp(timestamp, received.now)
        content = b"%b.%b" % (timestamp.encode("ascii"), content)
    made = (hmac.digest(secret.encode(), content, hashlib.sha256) for secret in secrets)
    if not _is_any_equal(made, digests):
        raise UnauthenticatedError("the signature does not match")


def _basic(received: Received, secrets: Sequence[str], options: Mapping[str, str]) -> None:
    del options
    try:
        given = base64.b64decode(_credentials(received, "basic"), validate=True)
    except ValueError:  # binascii.Error is one, and so is text outside ASCII
        raise UnauthenticatedError("the Basic credentials are not base64") from None
    if not _is_any_equal((secret.encode() for secret in secrets), [given]):
        raise UnauthenticatedError("user or password is wrong")


def _token(received: Received, secrets: Sequence[str], options: Mapping[str, str]) -> None:
    name = options.get(_HEADER)
    given = _header(received, name) if name else _credentials(received, "bearer")
    if not _is_any_equal((secret.encode() for secret in secrets), [_wire(given)]):
        raise UnauthenticatedError("the token is wrong")


# The same few secrets verify every callback. What cannot be parsed is not remembered.
_parse = lru_cache(maxsize=64)(webhooks.Secret.parse)

_VERIFIERS: Mapping[SignatureProfile, Verifier] = {
    SignatureProfile.STANDARD_WEBHOOKS: _standard_webhooks,
    SignatureProfile.HMAC_SHA256: _hmac_sha256,
    SignatureProfile.BASIC: _basic,
    SignatureProfile.TOKEN: _token,
}
_OPTIONS: Mapping[SignatureProfile, frozenset[str]] = {
    SignatureProfile.STANDARD_WEBHOOKS: frozenset(),
    SignatureProfile.HMAC_SHA256: frozenset({_HEADER, _TIMESTAMP_HEADER, _FORM}),
    SignatureProfile.BASIC: frozenset(),
    SignatureProfile.TOKEN: frozenset({_HEADER}),
}


def _parsed(text: str) -> webhooks.Secret | None:
    """Return the secret, None when it is in no known form: the other live one must still do."""
    try:
        return _parse(text)
    except InputError:
        logger.error("callback secret cannot be read")  # noqa: TRY400 - the trace has no more
        return None


def _header(received: Received, name: str) -> str:
    value = received.headers.get(name.lower())
    if not value:
        raise UnauthenticatedError(f"signature missing: no header {name}")
    return value


def _credentials(received: Received, scheme: str) -> str:
    """Return what follows `scheme` in the Authorization header (RFC 9110 §11.4)."""
    given, _, credentials = _header(received, "Authorization").partition(" ")
    if given.lower() != scheme or not credentials.strip():
        raise UnauthenticatedError(f"Authorization does not read {scheme.title()} …")
    return credentials.strip()


def _timestamp(received: Received, options: Mapping[str, str]) -> str | None:
    name = options.get(_TIMESTAMP_HEADER)
    return _header(received, name) if name else None


def _stripe_parts(text: str) -> tuple[str, list[bytes]]:
    """Return the time and the `v1` digests of `t=…,v1=…`; other schemes are passed over."""
    parts = [part.strip().partition("=") for part in text.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    digests = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not digests:
        raise UnauthenticatedError("the signature is malformed: it must read t=…,v1=…")
    if len(digests) > _MOST_SIGNATURES:
        raise UnauthenticatedError(f"more than {_MOST_SIGNATURES} signatures")
    return times[0], [_digest(value) for value in digests]


def _digest(text: str) -> bytes:
    """Decode a SHA-256 digest written in hex or base64."""
    bare = text.removeprefix("sha256=")
    try:
        if _HEX_DIGEST.fullmatch(bare):
            return bytes.fromhex(bare)
        digest = base64.b64decode(bare, validate=True)
    except ValueError:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise UnauthenticatedError("the signature is malformed: neither hex nor base64 of SHA-256")
    return digest


def _is_any_equal(expected: Iterable[bytes], given: Sequence[bytes]) -> bool:
    """Compare each with each: the time taken does not tell which secret matched."""
    return sum(hmac.compare_digest(one, other) for one in expected for other in given) > 0


def _wire(text: str) -> bytes:
    """Return the bytes that a header's text stood for on the wire (PEP 3333: Latin-1)."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise UnauthenticatedError("the header holds what no header can hold") from None
