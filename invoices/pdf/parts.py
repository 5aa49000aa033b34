"""Take a document apart that intake has accepted: what is missing is empty, not an error."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, TypeVar

from lxml import etree

from invoices.documents.reader import Reader, text_of
from invoices.pdf.paper import Day, Figure, Identifier

_LONGEST_DATE: Final = 40
Item = TypeVar("Item")


def once(items: Iterable[Item]) -> tuple[Item, ...]:
    """Return the items in their order, each once."""
    return tuple(dict.fromkeys(items))


class Part:
    """An element, or the absence of one, and what is below it by paths such as `cac:Party`."""

    def __init__(self, reader: Reader, node: etree._Element | None) -> None:
        self._reader = reader
        self._node = node

    @classmethod
    def whole(cls, root: etree._Element, namespaces: Mapping[str, str]) -> "Part":
        """Return a document as a part; `namespaces` gives the prefixes of the paths."""
        return cls(Reader(root, etree.QName(root).localname, namespaces), root)

    @classmethod
    def absent(cls) -> "Part":
        """Return a part that is not there."""
        return cls(Reader(etree.Element("none"), "", {}), None)

    def __bool__(self) -> bool:
        return self._node is not None

    def all(self, path: str) -> list["Part"]:
        """Return every part at `path`, in the order of the document."""
        if self._node is None:
            return []
        return [Part(self._reader, node) for node in self._reader.all(path, self._node)]

    def first(self, path: str) -> "Part":
        """Return the first part at `path`; one that is false when there is none."""
        return next(iter(self.all(path)), Part(self._reader, None))

    def get(self, attribute: str) -> str:
        """Return an attribute, "" without one."""
        return "" if self._node is None else " ".join((self._node.get(attribute) or "").split())

    def own_text(self) -> str:
        """Return the text in one line."""
        return "" if self._node is None else text_of(self._node)

    def text(self, path: str) -> str:
        """Return the first text at `path` that is not empty, in one line; else ""."""
        return next(iter(self.texts(path)), "")

    def texts(self, *paths: str) -> tuple[str, ...]:
        """Return every text at the paths that is not empty, each in one line."""
        found = (part.own_text() for path in paths for part in self.all(path))
        return tuple(text for text in found if text)

    def paragraphs(self, path: str) -> tuple[str, ...]:
        """Return the texts at `path` with the line breaks that they were written with."""
        found = (part.own_lines() for part in self.all(path))
        return tuple(text for text in found if text)

    def own_lines(self) -> str:
        """Return the text, line by line, without the blanks that indent XML."""
        text = ("" if self._node is None else self._node.text) or ""
        return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())

    def figure(self, path: str) -> Figure | None:
        """Return the first number at `path`, as text where it is none, None without one."""
        return self.first(path).own_figure()

    def own_figure(self) -> Figure | None:
        """Return the number, as text where it is none, None when empty."""
        text = self.own_text()
        if self._node is None or not text:
            return None
        number = self._reader.amount_of(self._node, "")
        return text if number is None else number

    def day(self, path: str, form: re.Pattern[str]) -> Day | None:
        """Return the first day at `path`, as text where it is not in `form`, None without one."""
        text = self.text(path)
        match = form.fullmatch(text) if len(text) <= _LONGEST_DATE else None
        if match is None:
            return text or None
        try:
            return date(*(int(group) for group in match.groups()))
        except ValueError:
            return text

    def identifier(self, path: str) -> Identifier | None:
        """Return the first identifier at `path` with its scheme; None without one."""
        return next(iter(self.identifiers(path)), None)

    def identifiers(self, path: str) -> tuple[Identifier, ...]:
        """Return all identifiers at `path` that are not empty."""
        found = ((part.own_text(), part.get("schemeID")) for part in self.all(path))
        return tuple(Identifier(text, scheme) for text, scheme in found if text)


def by_currency(parts: Sequence[Part], currency: str) -> tuple[Part, Part]:
    """Return the first amount in `currency`, stated or not, and the first in another one."""
    own = [part for part in parts if part.get("currencyID") in {"", currency}]
    other = [part for part in parts if part not in own]
    return next(iter(own), Part.absent()), next(iter(other), Part.absent())
