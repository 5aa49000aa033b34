"""A passkey in software: makes and uses one ES256 credential, as WebAuthn describes it."""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Authenticator:
    """A device with one credential; `origin` is where the browser says that it is."""

    origin: str = "http://localhost"
    flags: int = PRESENT | VERIFIED
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    id: bytes = b"a-passkey-of-the-tests"
    user_handle: str = ""
    count: int = 0

    def register(self, options: dict[str, Any]) -> str:
        """Make the credential that a page asks for; returns what the browser would send."""
        self.user_handle = options["user"]["id"]
        attested = bytes(16) + len(self.id).to_bytes(2) + self.id + self._public_key()
        data = self._data(options["rp"]["id"], ATTESTED) + attested
        attestation = {"fmt": "none", "attStmt": {}, "authData": data}
        response = {
            "attestationObject": encode(cbor2.dumps(attestation)),
            "clientDataJSON": encode(self._client("webauthn.create", options)),
            "transports": ["internal"],
        }
        return self._credential(response, extensions=json.dumps({"credProps": {"rk": True}}))

    def sign(self, options: dict[str, Any]) -> str:
        """Sign the challenge of a page; returns what the browser would send."""
        self.count += 1
        data, client = self._data(options["rpId"]), self._client("webauthn.get", options)
        signed = data + hashlib.sha256(client).digest()
        response = {
            "authenticatorData": encode(data),
            "clientDataJSON": encode(client),
            "signature": encode(self.key.sign(signed, ec.ECDSA(hashes.SHA256()))),
            "userHandle": self.user_handle,
        }
        return self._credential(response)

    def _credential(self, response: dict[str, Any], **more: str) -> str:
        name = encode(self.id)
        return json.dumps(
            {"id": name, "rawId": name, "type": "public-key", "response": response, **more}
        )

    def _data(self, rp_id: str, more: int = 0) -> bytes:
        head = hashlib.sha256(rp_id.encode()).digest()
        return head + bytes([self.flags | more]) + self.count.to_bytes(4)

    def _client(self, kind: str, options: dict[str, Any]) -> bytes:
        client = {"type": kind, "challenge": options["challenge"], "origin": self.origin}
        return json.dumps(client).encode()

    def _public_key(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        return cbor2.dumps(key)


def encode(raw: bytes) -> str:
    """Write bytes as base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Read what `encode` wrote."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
