"""Take single values out of a document and note what is wrong on the way.

A value that is missing or wrong is a finding, and the reader goes on with a stand-in that nobody
sees, so that one answer names everything.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Final

from lxml import etree

from core.errors import Finding
from invoices import currencies, values
from invoices.values import NewInvoice

STORED_DECIMALS: Final = 4
NO_DATE: Final = date.min
NO_AMOUNT: Final = Decimal(0)
# xs:decimal (XML Schema part 2 §3.2.3): no exponent, no grouping, ASCII digits.
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_LONGEST_DECIMAL: Final = 40
_LONGEST_DATE: Final = 40
_DELETE: Final = "\x7f"  # the only control character that XML lets through and split() leaves


@dataclass(frozen=True, slots=True)
class Reading:
    """An invoice as it was read, what is wrong with it, and what is only remarkable.

    When something is wrong, the invoice holds stand-ins and is of no use.
    """

    invoice: NewInvoice
    findings: list[Finding]
    remarks: list[Finding]


class Reader:
    """Reads below one root; a path is `cac:Party/cbc:Name` with the prefixes of the syntax."""

    def __init__(self, root: etree._Element, name: str, namespaces: Mapping[str, str]) -> None:
        self.root = root
        self.name = name
        self.findings: list[Finding] = []
        self._namespaces = tuple(namespaces.items())

    def note(self, path: str, rule: str, message: str) -> None:
        """Add a finding for the element at `path`."""
        where = f"/{self.name}/{path}" if path else f"/{self.name}"
        self.findings.append(Finding(where, rule, message, is_xpath=True))

    def all(self, path: str, start: etree._Element | None = None) -> list[etree._Element]:
        """Return every element at `path`, in the order of the document."""
        nodes = [self.root if start is None else start]
        for tag in _tags(path, self._namespaces):
            nodes = [child for node in nodes for child in node.iterchildren(tag)]
        return nodes

    def only(self, path: str) -> etree._Element | None:
        """Return the element at `path`, None when absent; a second one is a finding."""
        nodes = self.all(path)
        if len(nodes) > 1:
            self.note(path, "single", f"{_last(path)} appears twice")
        return nodes[0] if nodes else None

    def text(self, path: str, maximum: int) -> str | None:
        """Return the text of the single element at `path`; None when absent or empty."""
        return self._checked(path, self.only(path), maximum)

    def required(self, path: str, maximum: int, rule: str) -> str:
        """Return the text at `path`; when there is none, `rule` is broken."""
        found = self.text(path, maximum)
        if found is None:
            self.note(path, rule, f"{_last(path)} is missing")
        return found or ""

    def first(self, paths: tuple[str, ...], maximum: int) -> str | None:
        """Return the first text at any of `paths`, each of which may occur repeatedly."""
        for path in paths:
            for node in self.all(path):
                # UBL keeps the seller's bank creditor number (BT-90) among its identifiers.
                if node.get("schemeID") == "SEPA":
                    continue
                found = self._checked(path, node, maximum)
                if found is not None:
                    return found
        return None

    def email(self, paths: tuple[str, ...]) -> str | None:
        """Return the first text at `paths` that mail can be sent to; other text is no error."""
        texts = (text_of(node) for path in paths for node in self.all(path))
        return next((text for text in texts if values.is_email(text)), None)

    def amount(self, path: str) -> Decimal | None:
        """Return the single amount at `path`; None when absent or not a decimal number."""
        node = self.only(path)
        return None if node is None else self.amount_of(node, path)

    def amounts(self, path: str) -> list[Decimal]:
        """Return every amount at `path` that is a decimal number."""
        found = (self.amount_of(node, path) for node in self.all(path))
        return [amount for amount in found if amount is not None]

    def amount_of(self, node: etree._Element, path: str) -> Decimal | None:
        """Return the amount in `node`, which was found at `path`."""
        text = (self._simple(path, node) or "").strip(" \t\r\n")
        if len(text) <= _LONGEST_DECIMAL and _DECIMAL.fullmatch(text):
            return Decimal(text)
        message = (
            f"{_last(path)} '{text[:_LONGEST_DECIMAL]}' is not an amount: use digits and a dot"
        )
        self.note(path, "amount", message)
        return None

    def storable(self, path: str, amount: Decimal | None) -> Decimal | None:
        """Return `amount` if a column can hold it; a finding and None otherwise."""
        if amount is None:
            return None
        if abs(amount) >= 10**values.AMOUNT_DIGITS:
            message = f"{_last(path)}: at most {values.AMOUNT_DIGITS} digits before the dot"
            self.note(path, "amount", message)
            return None
        stored = amount.quantize(Decimal(1).scaleb(-STORED_DECIMALS))
        if stored != amount:
            self.note(path, "decimals", f"{_last(path)}: at most {STORED_DECIMALS} decimals")
            return None
        # Adding zero turns -0.00 into 0.00; trailing zeros beyond the column are cut.
        return stored if -int(amount.as_tuple().exponent) > STORED_DECIMALS else amount + 0

    def currency(self, path: str) -> str:
        """Return the document currency (BR-05, BR-CL-04)."""
        code = self.required(path, 16, "BR-05")
        if code and currencies.find(code) is None:
            self.note(path, "BR-CL-04", f"{_last(path)} '{code}' is {currencies.refusal_of(code)}")
        return code

    def type_code(self, path: str) -> str:
        """Return the document type (BR-04, BR-CL-01)."""
        code = self.required(path, 16, "BR-04")
        if code and code not in values.TYPE_CODES:
            message = f"{_last(path)} '{code}' is not a document type of EN 16931"
            self.note(path, "BR-CL-01", message)
        return code

    def day(self, path: str, form: re.Pattern[str], rule: str | None = None) -> date | None:
        """Return the first date at `path`; without one, `rule` is broken if it is given.

        `form` has the groups year, month and day.
        """
        node = next(iter(self.all(path)), None)
        text = self._checked(path, node, _LONGEST_DATE)
        if text is None:
            if rule is not None:
                self.note(path, rule, f"{_last(path)} is missing")
            return None
        match = form.fullmatch(text)
        if match is None:
            self.note(path, "date", f"{_last(path)} '{text[:_LONGEST_DATE]}' is not a date")
            return None
        return self._day(path, *match.groups())

    def count_lines(self, path: str) -> int:
        """Return how many lines there are; none is a finding (BR-16)."""
        count = len(self.all(path))
        if count == 0:
            self.note(path, "BR-16", f"{_last(path)}: at least one line")
        return count

    def address(self, path: str, parts: tuple[str, ...]) -> str | None:
        """Return the parts of an address, one per line; None when there is none."""
        nodes = [node for part in parts for node in self.all(f"{path}/{part}")]
        text = "\n".join(filter(None, (text_of(node) for node in nodes)))
        if len(text) > values.ADDRESS_LENGTH:
            self.note(path, "length", f"{_last(path)}: 1 to {values.ADDRESS_LENGTH} characters")
        return text or None

    def _day(self, path: str, year: str, month: str, day: str) -> date | None:
        try:
            found = date(int(year), int(month), int(day))
        except ValueError:
            self.note(path, "date", f"{_last(path)}: no such date")
            return None
        if not values.FIRST_YEAR <= found.year <= values.LAST_YEAR:
            span = f"{values.FIRST_YEAR}-{values.LAST_YEAR}"
            self.note(path, "year", f"{_last(path)}: outside {span}")
        return found

    def _checked(self, path: str, node: etree._Element | None, maximum: int) -> str | None:
        if node is None:
            return None
        text = " ".join((self._simple(path, node) or "").split())
        if len(text) > maximum:
            self.note(path, "length", f"{_last(path)}: 1 to {maximum} characters")
        if _DELETE in text:
            self.note(path, "text", f"{_last(path)} may not contain control characters")
        return text or None

    def _simple(self, path: str, node: etree._Element) -> str | None:
        """Return the text; elements inside would be read differently by different parsers."""
        if len(node):
            self.note(path, "text", f"{_last(path)} may not contain elements")
        return node.text


def text_of(node: etree._Element) -> str:
    """Return the text of an element on one line."""
    return " ".join((node.text or "").split())


def _last(path: str) -> str:
    return path.rpartition(":")[2]


@lru_cache(maxsize=512)
def _tags(path: str, namespaces: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Turn a path into the tags lxml compares with."""
    by_prefix = dict(namespaces)
    steps = (step.partition(":") for step in path.split("/"))
    return tuple(f"{{{by_prefix[prefix]}}}{name}" for prefix, _, name in steps)
