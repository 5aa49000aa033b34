"""Mail addresses as names of accounts: one normal form for each."""

import re

from core.errors import InputError

LONGEST = 254
LONGEST_LOCAL = 64
_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def normal(text: str) -> str:
    """Return `text` in lower case, its domain as in DNS: one account has one spelling.

    A domain without a dot is fine (`admin@localhost`). The part before the @ is ASCII, so that
    no two accounts look alike.

    Raises:
        InputError: it is no mail address, or one of more than 254 characters.
    """
    local, _, domain = text.strip().lower().rpartition("@")
    try:
        host = domain.encode("idna").decode("ascii") if len(text) <= 2 * LONGEST else ""
    except UnicodeError:
        host = ""
    found = f"{local}@{host}"
    is_short = len(found) <= LONGEST and len(local) <= LONGEST_LOCAL
    labels = host.split(".")
    if not (is_short and _LOCAL.fullmatch(local) and all(map(_LABEL.fullmatch, labels))):
        raise InputError.at("/email", "format", "This is not a mail address")
    return found
