"""Whether the totals of an XML invoice add up (EN 16931-1 §6.4.2, BR-CO-10 to BR-CO-16)."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from core.errors import Finding
from invoices.documents.reader import Reader

# The rules are about amounts of two decimals; what is left below that is no difference.
_TOLERANCE: Final = Decimal("0.005")
_ZERO: Final = Decimal(0)
# EN 16931 calls a CIUS "compliant" and an extension, which may change the sums, "conformant".
_EXTENSION: Final = "#conformant#"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where a syntax keeps its totals."""

    line_amounts: str  # BT-131
    line_total: str  # BT-106
    allowances: str  # BT-107
    charges: str  # BT-108
    tax_exclusive: str  # BT-109
    tax: str  # BT-110, and BT-111 in another currency
    tax_inclusive: str  # BT-112
    prepaid: str  # BT-113
    rounding: str  # BT-114
    payable: str  # BT-115
    taxable_parts: str  # BT-116
    tax_parts: str  # BT-117


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a document states; None where it states nothing."""

    lines: Decimal
    line_total: Decimal | None
    allowances: Decimal
    charges: Decimal
    tax_exclusive: Decimal | None
    tax: Decimal | None
    tax_inclusive: Decimal | None
    prepaid: Decimal
    rounding: Decimal
    payable: Decimal | None
    taxable_parts: Decimal | None
    tax_parts: Decimal | None


def read_totals(reader: Reader, paths: Paths, currency: str) -> Totals:
    """Read the totals in the currency of the document (`currency` is empty when it has none)."""
    return Totals(
        lines=sum(reader.amounts(paths.line_amounts), start=_ZERO),
        line_total=reader.amount(paths.line_total),
        allowances=reader.amount(paths.allowances) or _ZERO,
        charges=reader.amount(paths.charges) or _ZERO,
        tax_exclusive=reader.amount(paths.tax_exclusive),
        tax=_read_tax(reader, paths.tax, currency),
        tax_inclusive=reader.amount(paths.tax_inclusive),
        prepaid=reader.amount(paths.prepaid) or _ZERO,
        rounding=reader.amount(paths.rounding) or _ZERO,
        payable=_read_payable(reader, paths.payable, currency),
        taxable_parts=_sum_of(reader, paths.taxable_parts, currency),
        tax_parts=_sum_of(reader, paths.tax_parts, currency),
    )


def note_broken_sums(
    reader: Reader, totals: Totals, paths: Paths, customization_id: str | None
) -> list[Finding]:
    """Note the sums that are certainly wrong; return those that are only remarkable.

    Nothing is certain about the sums of an extension. And where lines and tax breakdown agree
    with each other but not with the header, the header's word stands: such invoices are really
    sent, and what the buyer pays is what the header says.
    """
    if any(finding.rule == "amount" for finding in reader.findings):
        return []
    tolerated: frozenset[str] = frozenset()
    if _breakdown_sides_with_lines(totals):
        tolerated = frozenset({"BR-CO-10", "BR-CO-15"})
    is_extension = _EXTENSION in (customization_id or "")
    remarks = Reader(reader.root, reader.name, {})
    for rule, path, message in _broken(totals, paths):
        note = remarks.note if is_extension or rule in tolerated else reader.note
        note(path, rule, message)
    return remarks.findings


def _read_tax(reader: Reader, path: str, currency: str) -> Decimal | None:
    """Return the total tax in the document's currency (BT-110); BR-CO-15 wants it once."""
    nodes = reader.all(path)
    own = [node for node in nodes if node.get("currencyID", currency) == currency or not currency]
    if nodes and not own:
        reader.note(path, "BR-CO-15", f"no tax total in {currency}, the document's currency")
    if len(own) > 1 and currency:
        reader.note(path, "BR-CO-15", f"the tax total in {currency} appears twice")
    return reader.amount_of(own[0], path) if own else None


def _read_payable(reader: Reader, path: str, currency: str) -> Decimal | None:
    """Return the payable amount, which must be in the document's currency."""
    node = reader.only(path)
    if node is None:
        reader.note(path, "BR-15", "the amount due for payment is missing")
        return None
    stated = node.get("currencyID", currency)
    if currency and stated != currency:
        message = f"the amount due is in {stated[:16]}, the document in {currency}"
        reader.note(path, "PEPPOL-EN16931-R051", message)
    return reader.amount_of(node, path)


def _sum_of(reader: Reader, path: str, currency: str) -> Decimal | None:
    nodes = [n for n in reader.all(path) if n.get("currencyID", currency) == currency]
    found = [reader.amount_of(node, path) or _ZERO for node in nodes]
    return sum(found, start=_ZERO) if found else None


def _breakdown_sides_with_lines(totals: Totals) -> bool:
    if totals.taxable_parts is None or totals.tax_exclusive is None:
        return False
    by_lines = totals.lines - totals.allowances + totals.charges
    return _same(totals.taxable_parts, by_lines) and not _same(by_lines, totals.tax_exclusive)


def _broken(totals: Totals, paths: Paths) -> Iterator[tuple[str, str, str]]:
    """Yield rule, path and message of every sum that does not hold."""
    for rule, path, stated, expected, words in _sums(totals, paths):
        if stated is not None and expected is not None and not _same(stated, expected):
            yield rule, path, f"{path.rpartition(':')[2]} is {stated}, but {words} is {expected}"


def _sums(
    totals: Totals, paths: Paths
) -> Iterator[tuple[str, str, Decimal | None, Decimal | None, str]]:
    """Yield rule, path, what is stated, what is expected, and the expectation in words."""
    t = totals
    yield "BR-CO-10", paths.line_total, t.line_total, t.lines, "the sum of the lines"
    expected = None if t.line_total is None else t.line_total - t.allowances + t.charges
    words = "the line total less allowances plus charges"
    yield "BR-CO-13", paths.tax_exclusive, t.tax_exclusive, expected, words
    yield "BR-CO-14", paths.tax, t.tax, t.tax_parts, "the sum of the tax breakdown"
    expected = None if t.tax_exclusive is None else t.tax_exclusive + (t.tax or _ZERO)
    words = "the total without tax plus the tax"
    yield "BR-CO-15", paths.tax_inclusive, t.tax_inclusive, expected, words
    expected = None if t.tax_inclusive is None else t.tax_inclusive - t.prepaid + t.rounding
    words = "the total with tax less prepaid plus rounding"
    yield "BR-CO-16", paths.payable, t.payable, expected, words


def _same(left: Decimal, right: Decimal) -> bool:
    return abs(left - right) < _TOLERANCE
