"""What stands in place of somebody who was erased: the same for the same person, and no way back.

It is made with KUVERT_SECRET_KEY, so that nobody who has the database alone can try out addresses.
A new key gives new pseudonyms, and suppressions of erased addresses are not known any more.
"""

import hashlib
import hmac
from functools import lru_cache

from core.webhooks import derive_secret

PREFIX = "erased-"
DOMAIN = "erased.invalid"
"""No mail can ever go there (RFC 2606 §2)."""

_LENGTH = 32


def of(secret_key: str, address: str) -> str:
    """Return the name that stands in place of whoever had a mail address."""
    digest = hmac.digest(_key(secret_key), address.strip().lower().encode(), hashlib.sha256)
    return PREFIX + digest.hex()[:_LENGTH]


def address_of(secret_key: str, address: str) -> str:
    """Return the address that stands in place of another; a pseudonym stays what it is."""
    if is_one(address):
        return address
    return f"{of(secret_key, address)}@{DOMAIN}"


def is_one(address: str) -> bool:
    """Tell whether an address is a pseudonym."""
    return address.startswith(PREFIX) and address.endswith(f"@{DOMAIN}")


@lru_cache(maxsize=4)
def _key(secret_key: str) -> bytes:
    return derive_secret(secret_key, "erasure", 1).key
