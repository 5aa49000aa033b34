"""The settings that a provider may have beside its columns, and what each may say."""

import re
from collections.abc import Callable, Mapping

from core.errors import Finding
from core.pointers import is_pointer

LONGEST_TIMEOUT_SECONDS = 30.0
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")


def _is_header(text: str) -> bool:
    """Tell whether `text` can be a header's name (RFC 9110 §5.1)."""
    return _HEADER.fullmatch(text) is not None


def _is_timeout(text: str) -> bool:
    """Tell whether `text` is a number of seconds that a whole call may take."""
    try:
        return 0 < float(text) <= LONGEST_TIMEOUT_SECONDS
    except ValueError:
        return False


_POINTER = ("a JSON pointer such as /id", is_pointer)
_NAME = ("a header's name", _is_header)

KNOWN: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "timeout_seconds": ("seconds, more than 0 and at most 30", _is_timeout),
    "auth_header": _NAME,
    "reference_pointer": _POINTER,
    "callback_reference_pointer": _POINTER,
    "callback_status_pointer": _POINTER,
    "callback_occurred_at_pointer": _POINTER,
    "callback_detail_pointer": _POINTER,
    "callback_header": _NAME,
    "callback_timestamp_header": _NAME,
    "callback_form": ("plain or stripe", {"plain", "stripe"}.__contains__),
}
"""Name → what it must be, and how that is checked. docs/providers.md says what each does."""


def findings(settings: Mapping[str, str]) -> list[Finding]:
    """Return what is wrong with the settings of a new provider."""
    return [
        Finding(f"/settings/{name}", "provider-setting", problem)
        for name, value in settings.items()
        if (problem := _problem(name, value)) is not None
    ]


def _problem(name: str, value: str) -> str | None:
    if name not in KNOWN:
        return f"there is no setting {name}; known: {', '.join(KNOWN)}"
    must_be, is_right = KNOWN[name]
    return None if is_right(value) else f"{name} must be {must_be}"
