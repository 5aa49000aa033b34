"""Parse XML from strangers: no document type, no inclusion, nothing read or fetched, bounded.

No real invoice has a document type declaration, and nearly every attack on an XML parser needs
one, so it is refused by the same parser that would read it, at the moment it meets the name of
the declaration and before it looks inside. A scan of the bytes would have to guess the encoding.
The finished tree is asked once more, should the parser ever see two things in the same bytes.
"""

import re
from typing import Final

from lxml import etree

from core.errors import Finding, InputError, UnreadableError

MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 200_000
MAX_ATTRIBUTES: Final = 64  # of one element

_ENCODINGS: Final = frozenset(
    {
        "ASCII",
        "ISO-8859-1",
        "ISO-8859-15",
        "US-ASCII",
        "UTF-16",
        "UTF-16BE",
        "UTF-16LE",
        "UTF-8",
        "WINDOWS-1252",
    }
)
_XINCLUDE: Final = "{http://www.w3.org/2001/XInclude}*"
_XINCLUDE_DRAFT: Final = "{http://www.w3.org/2003/XInclude}*"
_PLACE: Final = re.compile(r", line \d+, column \d+$")

_is_too_deep: Final = etree.XPath(f"boolean({'/*' * (MAX_DEPTH + 1)})")
_has_crowded_element: Final = etree.XPath(f"boolean(//*[@*[{MAX_ATTRIBUTES + 1}]])")


class _RootReachedError(Exception):
    """Stops the guard at the first start tag, after which no document type can follow."""


class _PrologGuard:
    """A parser target that refuses a document type and stops at the root."""

    def doctype(self, _name: str, _public_id: str | None, _system_url: str | None) -> None:
        raise _refused("doctype", "Document type declarations are not allowed")

    def start(self, _tag: str, _attributes: object) -> None:
        raise _RootReachedError

    def end(self, _tag: str) -> None:
        """Never reached; the parser wants it."""

    def close(self) -> None:
        """Give back nothing."""


class _ElementCounter(_PrologGuard):
    """A parser target that counts elements without building a tree."""

    def __init__(self) -> None:
        self.count = 0

    def start(self, _tag: str, _attributes: object) -> None:
        self.count += 1
        if self.count > MAX_ELEMENTS:
            raise _refused("elements", f"too many elements: at most {MAX_ELEMENTS:,}")


def parse(body: bytes) -> etree._Element:
    """Return the root of a document, without its comments and processing instructions.

    The size of `body` is for the caller to limit.

    Raises:
        UnreadableError: there is no body.
        InputError: a document type, XInclude, not well formed, an encoding that invoices do not
            use, over 64 levels, over 200,000 elements or over 64 attributes in one element.
    """
    if not body.strip():
        raise UnreadableError("The request has no body")
    try:
        _check_prolog(body)
        # An element costs at least one "<"; few documents come near and are counted for real.
        if body.count(b"<") > MAX_ELEMENTS:
            etree.fromstring(body, _parser(_ElementCounter()))
        root = etree.fromstring(body, _parser())
    except etree.XMLSyntaxError as error:
        raise _not_well_formed(error) from None
    _check_tree(root, body)
    return root


def _parser(target: _PrologGuard | None = None) -> etree.XMLParser:
    """Build a parser that resolves nothing; they are cheap, and sharing one means a lock."""
    return etree.XMLParser(
        target=target,  # type: ignore[arg-type]  # the stubs ask for every optional method
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=True,
    )


def _check_prolog(body: bytes) -> None:
    """Read up to the root element and refuse a document type on the way."""
    parser = _parser(_PrologGuard())
    try:
        parser.feed(body)
        parser.close()
    except _RootReachedError:
        return


def _check_tree(root: etree._Element, body: bytes) -> None:
    """Refuse what only shows in the whole."""
    info = root.getroottree().docinfo
    declared: object = info.internalDTD  # None without one, which the stubs do not know
    if declared is not None:
        raise _refused("doctype", "Document type declarations are not allowed")
    if (info.encoding or "UTF-8").upper() not in _ENCODINGS:
        raise _refused("encoding", f"encoding {info.encoding} is not accepted: send UTF-8")
    if next(root.iter(_XINCLUDE, _XINCLUDE_DRAFT, etree.Entity), None) is not None:
        message = "XInclude and entity references are not allowed: not a UBL or CII invoice"
        raise _refused("inclusion", message)
    if _is_too_deep(root):
        raise _too_deep()
    if body.count(b"=") > MAX_ATTRIBUTES and _has_crowded_element(root):
        raise _refused("attributes", f"too many attributes: at most {MAX_ATTRIBUTES} an element")


def _not_well_formed(error: etree.XMLSyntaxError) -> InputError:
    if "Excessive depth" in error.msg:
        return _too_deep()
    line, column = error.position
    reason = _PLACE.sub("", error.msg.strip()).strip()
    return _refused("well-formed", f"line {line}, column {column}: {reason}")


def _too_deep() -> InputError:
    return _refused("depth", f"nested too deeply: at most {MAX_DEPTH} levels")


def _refused(rule: str, message: str) -> InputError:
    return InputError(message, findings=[Finding("/", rule, message, is_xpath=True)])
