"""What can be read in bytes: their text, and what is written in a code inside of it.

Mails come in base64 and quoted-printable, their headers in encoded words (RFC 2047); documents and
callbacks carry attachments. What is packed or drawn inside, as in a PDF, cannot be read here.
"""

import quopri
import re
from binascii import a2b_base64
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header

DEPTH = 3
"""How far codes are followed inside of each other: a mail within a callback, its part, its text."""

_QUOTED = re.compile(rb"=(?:[0-9A-Fa-f]{2}|\r?\n)")
# A blank line ends it: behind it begins what the headers of a mail speak of.
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{8,}(?:\r?\n[ \t]*[A-Za-z0-9+/]+)*")
_JSON_ESCAPE = re.compile(rb"\\(?:/|r\\n|n)")
_WORDS = re.compile(r"(?:=\?[^?\s]{1,40}\?[bBqQ]\?[^?]*\?=\s*)+")

_SEALED = (
    b"%PDF",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"\xd0\xcf\x11\xe0",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
)
"""How files begin whose words are packed or drawn: PDF, ZIP and all in it, gzip, OLE, pictures."""


def texts(content: bytes) -> Iterator[str]:
    """Yield all that can be read in bytes, some of it more than once."""
    for layer in _layers(content, DEPTH):
        for text in _read(layer):
            yield text
            for words in _WORDS.finditer(text):
                yield _header(words[0])


def is_sealed(content: bytes) -> bool:
    """Tell whether something is in it that says more than can be read."""
    return any(layer.startswith(_SEALED) for layer in _layers(content, DEPTH))


def _layers(content: bytes, depth: int) -> Iterator[bytes]:
    """Yield bytes, and what is encoded in them."""
    yield content
    if not depth:
        return
    if _QUOTED.search(content):
        yield quopri.decodestring(content)
    plain = _JSON_ESCAPE.sub(lambda match: b"/" if match[0] == b"\\/" else b"\n", content)
    for found in _BASE64.finditer(plain):
        inner = _unpacked(found[0].translate(None, b"\r\n\t "))
        yield from _layers(inner, depth - 1)


def _unpacked(packed: bytes) -> bytes:
    """Decode base64 without what fills its end; a letter too many is left out."""
    whole = packed[:-1] if len(packed) % 4 == 1 else packed
    return a2b_base64(whole + b"=" * (-len(whole) % 4))


def _read(content: bytes) -> Iterator[str]:
    """Yield bytes as text: UTF-8, else also what Western mails and UTF-16 would be."""
    try:
        yield content.decode()
    except UnicodeDecodeError:
        yield content.decode("utf-8", "replace")
        yield content.decode("latin-1")
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        yield content.decode("utf-16", "replace")
    elif b"\0" in content:
        yield content.decode("utf-16-le", "replace")
        yield content.decode("utf-16-be", "replace")


def _header(text: str) -> str:
    try:
        pieces = decode_header(text)
    except HeaderParseError:
        return text
    return "".join(
        piece if isinstance(piece, str) else _in_charset(piece, charset)
        for piece, charset in pieces
    )


def _in_charset(piece: bytes, charset: str | None) -> str:
    try:
        return piece.decode(charset or "utf-8", "replace")
    except LookupError:
        return piece.decode("utf-8", "replace")
