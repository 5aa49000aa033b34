"""The one JSON reader for what comes from outside: the API and the callbacks.

The standard decoder accepts `NaN`, lets the last of two equal keys win and answers deep nesting
with a RecursionError. Here all of that is an UnreadableError. The work is still done by the C
scanner; only its hooks are ours, because this runs for every call.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from core.errors import Finding, TooLargeError, UnreadableError

MAX_DEPTH: Final = 50
MAX_INTEGER_DIGITS: Final = 30
MAX_KEYS: Final = 1_000
MAX_ITEMS: Final = 1_000

_BOM: Final = b"\xef\xbb\xbf"
_SPACES: Final = frozenset(" \t\n\r")


@dataclass(frozen=True, slots=True)
class JsonFloat:
    """A number that was written with a dot or an exponent, as the digits that were sent.

    It is no float and no str on purpose: money may not pass through a binary float, and a
    number may not slip into a field of text.
    """

    text: str


class _BadNumberError(ValueError):
    """A number that JSON or we do not allow; it doubles as its own marker in `_bad_number_at`."""


def loads(body: bytes) -> object:
    """Read one JSON document: dict, list, str, int, JsonFloat, bool or None.

    Raises:
        UnreadableError: empty, not UTF-8, not JSON (RFC 8259), a repeated key, over 1,000 keys in
            one object, nested deeper than 50, NaN or Infinity, a float beyond IEEE 754, an
            integer of over 30 digits.
    """
    text = _text_of(body)
    try:
        value: object = _decode(text, body)
    except _BadNumberError as error:
        raise _bad_number(text, body, str(error)) from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value)
    return value


def split_array(body: bytes, *, limit: int = MAX_ITEMS) -> list[bytes]:
    """Return the exact bytes of each element of a top-level array.

    The elements are only cut apart; each must still be read with `loads`.

    Raises:
        UnreadableError: not readable up to the end of the array, or no array at all.
        TooLargeError: more elements than `limit`.
    """
    text = _text_of(body)
    try:
        # Decoding UTF-8 and encoding it again gives the same bytes, so cutting text is exact.
        return [piece.encode() for piece in _elements(text, limit)]
    except json.JSONDecodeError as error:
        raise _not_json(error, body) from None
    except RecursionError:
        raise _too_deep() from None


def split_lines(body: bytes, *, limit: int = MAX_ITEMS) -> list[bytes]:
    """Return the exact bytes of each line that is not blank (NDJSON), without its line end.

    Raises:
        UnreadableError: there is no such line.
        TooLargeError: more lines than `limit`.
    """
    pieces = (line.strip(b" \t\r") for line in body.removeprefix(_BOM).split(b"\n"))
    lines = [piece for piece in pieces if piece]
    if not lines:
        raise UnreadableError("The request has no body")
    if len(lines) > limit:
        raise _too_many(limit)
    return lines


def _decode(text: str, body: bytes, decoder: json.JSONDecoder | None = None) -> object:
    try:
        return (decoder or _decoder).decode(text)
    except json.JSONDecodeError as error:
        raise _not_json(error, body) from None
    except RecursionError:
        raise _too_deep() from None


def _text_of(body: bytes) -> str:
    """Decode the body; a byte order mark counts as absent."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("Body is not UTF-8. Send UTF-8")
    try:
        text = body.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        raise UnreadableError(f"Body is not UTF-8 (byte {error.start + 1})") from None
    if not text or text.isspace():
        raise UnreadableError("The request has no body")
    return text


def _not_json(error: json.JSONDecodeError, body: bytes) -> UnreadableError:
    if b"\0" in body[:4]:  # UTF-16 or UTF-32 of ASCII without its mark is also valid UTF-8
        return UnreadableError("Body is not UTF-8. Send UTF-8")
    place = f"line {error.lineno} column {error.colno}"
    reason = error.msg.removesuffix(" at").lower()
    return UnreadableError(f"Not valid JSON: {place} ({reason})")


def _too_deep() -> UnreadableError:
    return UnreadableError(f"Nested too deeply: at most {MAX_DEPTH} levels")


def _too_many(limit: int) -> TooLargeError:
    return TooLargeError(f"Too many items: at most {limit:,} in one call")


def _check_depth(value: object) -> None:
    """Go down level by level; the scanner itself only stops near Python's recursion limit."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise _too_deep()


def _elements(text: str, limit: int) -> list[str]:
    """Cut a top-level array apart; the pieces are exact slices of `text`."""
    position = _skip_space(text, 0)
    if text[position] != "[":
        raise UnreadableError("Expected an array")
    found: list[str] = []
    position = _skip_space(text, position + 1)
    is_open = not text.startswith("]", position)
    while is_open:
        if len(found) == limit:
            raise _too_many(limit)
        _, end = _cutter.raw_decode(text, position)
        found.append(text[position:end])
        position = _skip_space(text, end)
        is_open = text.startswith(",", position)
        if is_open:
            position = _skip_space(text, position + 1)
    if not text.startswith("]", position):
        raise json.JSONDecodeError("Expecting ',' delimiter", text, position)
    position = _skip_space(text, position + 1)
    if position < len(text):
        raise json.JSONDecodeError("Extra data", text, position)
    return found


def _skip_space(text: str, position: int) -> int:
    while text[position : position + 1] in _SPACES:
        position += 1
    return position


def _read_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(pairs) > MAX_KEYS:
        raise UnreadableError(f"Too many keys in one object: at most {MAX_KEYS:,}")
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise UnreadableError(f"Key {twice!a} appears twice")
    return found


def _read_int(text: str) -> int:
    if len(text.lstrip("-")) > MAX_INTEGER_DIGITS:
        raise _BadNumberError(f"not a number of at most {MAX_INTEGER_DIGITS} digits")
    return int(text)


def _read_float(text: str) -> JsonFloat:
    if math.isinf(float(text)):
        raise _BadNumberError(f"not a number ({text[:MAX_INTEGER_DIGITS]})")
    return JsonFloat(text)


def _read_constant(text: str) -> object:
    raise _BadNumberError(f"not a number ({text})")


def _marked(read: Callable[[str], object]) -> Callable[[str], object]:
    """Turn a hook that raises into one that returns the error as a marker."""

    def read_or_mark(text: str) -> object:
        try:
            return read(text)
        except _BadNumberError as error:
            return error

    return read_or_mark


def _bad_number(text: str, body: bytes, reason: str) -> UnreadableError:
    """Name the field of the first bad number, at the price of reading a second time."""
    where = _bad_number_at(_decode(text, body, _marking_decoder))
    return UnreadableError(f"{where or '/'}: {reason}", findings=[Finding(where, "number", reason)])


def _bad_number_at(value: object) -> str:
    """Return the JSON pointer of the first marker, without recursion."""
    trail: list[str] = []
    open_nodes = [_members(value)]
    while open_nodes:
        key, child = next(open_nodes[-1], (None, None))
        if key is None:
            open_nodes.pop()
            del trail[-1:]
            continue
        trail.append(key.replace("~", "~0").replace("/", "~1"))
        if isinstance(child, _BadNumberError):
            break
        open_nodes.append(_members(child))
    return "".join(f"/{key}" for key in trail)


def _members(value: object) -> Iterator[tuple[str, object]]:
    """Iterate over what is inside an object or array with its key as text."""
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(index), child) for index, child in enumerate(value))


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_read_object,
    parse_int=_read_int,
    parse_float=_read_float,
    parse_constant=_read_constant,
)
_marking_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_read_object,
    parse_int=_marked(_read_int),
    parse_float=_marked(_read_float),
    parse_constant=_marked(_read_constant),
)
# Each element is read again by `loads`, so this one need not judge numbers, only find ends.
_cutter: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
