"""Takes secrets out of what is shown: values under telling keys, and shapes known in text."""

import re
from functools import lru_cache

MASK = "***"

_NAMES = (
    r"passw(?:or[dt]|d)|passphrase|secret|token|authorization|cookie|credential"
    r"|api[_-]?key|private[_-]?key"
)
_TELLING = re.compile(_NAMES, re.IGNORECASE)

# What to look for, only in texts that hold one of the characters it needs, which is much faster.
# Every repetition is bounded: text from outside must not make the search slow.
_IN_TEXT = (
    # scheme://user:password@host. A number up to the next slash is a port, not a password.
    # The password may hold @ and /, as written by hand: the last @ before the host counts.
    (
        "@",
        re.compile(
            r"""(://[^\s/@:?#"'<>]{0,256}:)(?!\d{1,5}(?:[/?#\s]|$))"""
            # What our own examples write for one.
            r"""(?!PASSWORD@(?![^\s"'<>/]{0,256}@))"""
            r"""[^\s"'<>]{0,256}?@(?![^\s"'<>/]{0,256}@)"""
        ),
        rf"\1{MASK}@",
    ),
    # Kuvert's own keys and the secrets of Standard Webhooks.
    ("_", re.compile(r"\b(kv_(?:live|test)_[A-Za-z0-9]{1,32}_)[\w-]{1,256}"), rf"\1{MASK}"),
    ("_", re.compile(r"\b(whs(?:ec|k)_)[\w+/=-]{1,512}"), rf"\1{MASK}"),
    (
        " ",
        re.compile(r"\b(Bearer|Basic) {1,4}[\w.~+/=-]{8,4096}", re.IGNORECASE),
        rf"\1 {MASK}",
    ),
    # password=… in a query and "password": "…" in JSON; prose such as "token: expired" stays.
    (
        "=:",
        re.compile(
            rf"""\b([\w-]{{0,40}}(?:{_NAMES})[\w-]{{0,40}}(?:=|["']\s{{0,4}}:\s{{0,4}}["']?))"""
            r"""[^\s"'&,;]{1,4096}""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)


# Most texts hold none of the characters above.
_ANY_NEEDED = re.compile("[" + "".join({needed for needed, _, _ in _IN_TEXT}) + "]")


@lru_cache(maxsize=1024)
def is_telling(key: str) -> bool:
    """Tell whether a value under `key` is likely to be a secret."""
    return _TELLING.search(key) is not None


def redact(text: str) -> str:
    """Return `text` with passwords in URLs, keys and tokens of known shapes masked."""
    if _ANY_NEEDED.search(text) is None:
        return text
    for needed, pattern, replacement in _IN_TEXT:
        if any(character in text for character in needed):
            text = pattern.sub(replacement, text)
    return text
