"""Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): secrets, signing, verifying.

A message is signed over `id.timestamp.body`. `v1` is HMAC-SHA256 with a `whsec_` secret, `v1a`
is Ed25519 with a `whsk_` key. A header may carry several signatures, and a receiver may hold
several secrets, so that a secret can be changed without a gap.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.errors import InputError, UnauthenticatedError

TOLERANCE_SECONDS = 300
ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

_SHORTEST = 24
_LONGEST = 64
# A secret without a prefix was made by someone who did not follow the standard; 128 bits is
# the least that is still worth a signature.
_SHORTEST_BARE = 16
_SEED_BYTES = 32
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_ID = re.compile(r"[\x21-\x7e]{1,256}")
_SIGNATURE = re.compile(r"[a-z0-9]+,[A-Za-z0-9+/]+={0,2}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES = 16


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing key; keeps itself out of `repr` and so out of logs."""

    key: bytes = field(repr=False)
    is_ed25519: bool = False

    @classmethod
    def parse(cls, text: str) -> "Secret":
        """Read `whsec_` and 24 to 64 bytes of base64, or a `whsk_` Ed25519 key pair.

        Base64 alone, with or without its padding, is read as the former (16 to 64 bytes).

        Raises:
            InputError: it is none of these; the message does not repeat it.
        """
        if text.startswith("whsk_"):
            return cls(_key_pair(text.removeprefix("whsk_")), is_ed25519=True)
        encoded = text.removeprefix("whsec_")
        shortest = _SHORTEST_BARE if encoded == text else _SHORTEST
        key = _decoded(encoded)
        if key is None or not shortest <= len(key) <= _LONGEST:
            raise _wrong_secret()
        return cls(key)

    @property
    def text(self) -> str:
        """Return the secret as it is shown to its owner, once."""
        prefix = "whsk_" if self.is_ed25519 else "whsec_"
        return prefix + base64.b64encode(self.key).decode("ascii")


def derive_secret(secret_key: str, purpose: str, number: int) -> Secret:
    """Derive a secret of 32 bytes from Kuvert's own key by HKDF-SHA256 (RFC 5869).

    The same arguments give the same secret, so that none needs to be stored; a new `number`
    (a rotation) gives one that has nothing in common with the last.
    """
    info = f"kuvert webhook secret\x00{purpose}\x00{number}".encode()
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=info)
    return Secret(hkdf.derive(secret_key.encode()))


def sign(secret: Secret, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature, `v1,…` (or `v1a,…`); `timestamp` is in Unix seconds."""
    return _signature(secret, _signed_content(message_id, str(timestamp), body))


def signed_headers(
    secrets: Sequence[Secret], message_id: str, timestamp: int, body: bytes
) -> tuple[tuple[str, str], ...]:
    """Return the three headers of a message, signed with every live secret."""
    signatures = " ".join(sign(secret, message_id, timestamp, body) for secret in secrets)
    return (
        (ID_HEADER, message_id),
        (TIMESTAMP_HEADER, str(timestamp)),
        (SIGNATURE_HEADER, signatures),
    )


def verify(
    secrets: Sequence[Secret],
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    tolerance: int = TOLERANCE_SECONDS,
) -> str:
    """Return the message id when one signature was made with one of `secrets`.

    `tolerance` is in seconds and holds for the past and for the future.

    Raises:
        UnauthenticatedError: it was not, or the headers cannot be read; the message says why.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    message_id = _header(lowered, ID_HEADER)
    timestamp = _header(lowered, TIMESTAMP_HEADER)
    signatures = _split_signatures(_header(lowered, SIGNATURE_HEADER))
    if not _ID.fullmatch(message_id):
        raise UnauthenticatedError(f"{ID_HEADER} is malformed")
    check_timestamp(timestamp, now, tolerance)
    content = _signed_content(message_id, timestamp, body)
    # Summed, so that every secret is tried, whichever matches: the time taken tells nothing.
    if not sum(_is_signed(secret, content, signatures) for secret in secrets):
        raise UnauthenticatedError("the signature does not match")
    return message_id


def check_timestamp(text: str, now: datetime, tolerance: int = TOLERANCE_SECONDS) -> None:
    """Refuse a time in Unix seconds that lies more than `tolerance` seconds from `now`.

    Raises:
        UnauthenticatedError: it does, or `text` is not a whole number of seconds.
    """
    if not _SECONDS.fullmatch(text):
        raise UnauthenticatedError("the timestamp is not a number of seconds")
    if abs(now.timestamp() - int(text)) > tolerance:
        raise UnauthenticatedError(f"timestamp outside {tolerance / 60:g} minutes")


def _wrong_secret() -> InputError:
    return InputError.at("/secret", "webhook-secret", "24 to 64 bytes, base64, whsec_")


def _decoded(encoded: str) -> bytes | None:
    """Decode base64 whose padding may be missing; None when it is not base64."""
    if not _BASE64.fullmatch(encoded):
        return None
    bare = encoded.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        return None


def _key_pair(encoded: str) -> bytes:
    """Return seed and public key; refuses a public key that does not belong to the seed."""
    pair = _decoded(encoded)
    if pair is None or len(pair) != _LONGEST:
        raise _wrong_secret()
    public = Ed25519PrivateKey.from_private_bytes(pair[:_SEED_BYTES]).public_key()
    if public.public_bytes_raw() != pair[_SEED_BYTES:]:
        raise _wrong_secret()
    return pair


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    if not value:
        what = "signature" if name == SIGNATURE_HEADER else name
        raise UnauthenticatedError(f"{what} missing")
    return value


def _split_signatures(text: str) -> list[str]:
    """Return the signatures that can be read: one in a foreign form does not spoil the others."""
    found = text.split()
    if len(found) > _MOST_SIGNATURES:
        raise UnauthenticatedError(f"more than {_MOST_SIGNATURES} signatures")
    readable = [signature for signature in found if _SIGNATURE.fullmatch(signature)]
    if not readable:
        raise UnauthenticatedError("the signature is malformed: it must read v1,<base64>")
    return readable


def _signed_content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return b"%b.%b.%b" % (message_id.encode("ascii"), timestamp.encode("ascii"), body)


def _signature(secret: Secret, content: bytes) -> str:
    if secret.is_ed25519:
        made = _private_key(secret).sign(content)
        return "v1a," + base64.b64encode(made).decode("ascii")
    made = hmac.digest(secret.key, content, hashlib.sha256)
    return "v1," + base64.b64encode(made).decode("ascii")


def _is_signed(secret: Secret, content: bytes, signatures: Sequence[str]) -> bool:
    """Tell whether one of `signatures` fits; all of them are compared."""
    if secret.is_ed25519:
        return sum(_is_signed_by_key(secret, content, text) for text in signatures) > 0
    expected = _signature(secret, content)
    return sum(hmac.compare_digest(expected, text) for text in signatures) > 0


def _is_signed_by_key(secret: Secret, content: bytes, text: str) -> bool:
    version, _, encoded = text.partition(",")
    made = _decoded(encoded) if version == "v1a" else None
    if made is None:
        return False
    try:
        _private_key(secret).public_key().verify(made, content)
    except InvalidSignature:
        return False
    return True


def _private_key(secret: Secret) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(secret.key[:_SEED_BYTES])
