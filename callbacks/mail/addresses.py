"""Mail addresses in the text of others."""

import re

_LABEL = r"[A-Za-z0-9\u0080-\uffff-]{1,63}"
ADDRESS = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~\u0080-\uffff.-]{{1,64}}@{_LABEL}(?:\.{_LABEL}){{0,8}}"
"""An address as mails to people have it: an atom or a few, and a domain. Quoted ones are rare."""

QUOTED = r'"[^"\r\n@]{1,64}"@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}'
_ANY = re.compile(rf"{QUOTED}|{ADDRESS}")
_ROBOT = re.compile(
    r"^(?:mailer-?daemon|postmaster|mail-?daemon|mdaemon|double-?bounce|abuse|no-?reply|root)@",
    re.IGNORECASE,
)


def first_address(text: str) -> str | None:
    """Return the first address in a text; None when there is none."""
    match = _ANY.search(text)
    return tidy(match[0]) if match else None


def all_addresses(text: str) -> list[str]:
    """Return all addresses in a text, each once, in order."""
    return list(dict.fromkeys(tidy(match[0]) for match in _ANY.finditer(text)))


def tidy(address: str) -> str:
    """Return an address without what prose puts around it."""
    return address.strip().strip("<>").strip(".,;:'")


def is_robot(address: str) -> bool:
    """Tell whether an address is one that machines write from."""
    return _ROBOT.match(address) is not None
