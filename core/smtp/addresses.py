"""Mail addresses as the commands MAIL and RCPT take them."""

import re
from dataclasses import dataclass

import idna

from core.errors import InputError

LONGEST_LOCAL_PART = 64
LONGEST_DOMAIN = 255
"""RFC 5321 §4.5.3.1, in bytes."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_DOTTED = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_QUOTED = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"')
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address: `local` as it was given, `domain` in ASCII (IDNA 2008, RFC 5891)."""

    local: str
    domain: str

    @classmethod
    def of(cls, text: str) -> "Mailbox":
        """Read an address without a name or angle brackets.

        Raises:
            InputError: it is none that a mail can be sent to.
        """
        local, at, domain = text.rpartition("@")
        if not at or not _is_local(local):
            raise _refused(text, "it is not an address such as name@example.com")
        return cls(local, _ascii_domain(text, domain))

    @property
    def needs_utf8(self) -> bool:
        """Tell whether only a server with SMTPUTF8 (RFC 6531) can take it."""
        return not self.local.isascii()

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def _is_local(local: str) -> bool:
    if not 0 < len(local.encode()) <= LONGEST_LOCAL_PART or not local.isprintable():
        return False
    if "=?" in local:
        # In a header it is the beginning of a word in code (RFC 2047), whatever that holds.
        return False
    return bool(_DOTTED.fullmatch(local) or _QUOTED.fullmatch(local))


def _ascii_domain(text: str, domain: str) -> str:
    if domain.startswith("["):
        raise _refused(text, "an address literal in place of a domain is not taken")
    try:
        name = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except UnicodeError as error:
        raise _refused(text, f"its domain cannot be one: {error}") from None
    labels = name.split(".")
    if len(name) > LONGEST_DOMAIN or not all(map(_LABEL.fullmatch, labels)):
        raise _refused(text, "its domain cannot be one")
    return name.lower()


def _refused(text: str, why: str) -> InputError:
    shown = text if text.isprintable() else repr(text)
    return InputError.at("/to", "address", f"{shown[:330]}: {why}")
