"""How an XML invoice is to be paid (EN 16931 BG-16), read for the letter that carries it.

An invoice may name several accounts; the first one counts, with the holder and the bank that
stand beside it and beside no other.
"""

from dataclasses import dataclass
from typing import Final

from lxml import etree

from invoices.documents import cii, safe_xml, ubl
from invoices.documents.reader import text_of

LONGEST: Final = 140
"""What is longer is no account and no reference (SEPA: 140 characters), and is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Where to pay: `reference` BT-83, `account` BT-84, `account_name` BT-85, `bic` BT-86."""

    reference: str | None = None
    account: str | None = None
    account_name: str | None = None
    bic: str | None = None


UNSTATED: Final = Payment()


@dataclass(frozen=True, slots=True)
class _Paths:
    """Where a syntax keeps it: `reference` below the root, the rest below one of the `means`."""

    means: str
    reference: str
    accounts: tuple[str, ...]
    account_name: str
    bic: str
    namespaces: dict[str, str]


_UBL: Final = _Paths(
    means="cac:PaymentMeans",
    reference="cac:PaymentMeans/cbc:PaymentID",
    accounts=("cac:PayeeFinancialAccount/cbc:ID",),
    account_name="cac:PayeeFinancialAccount/cbc:Name",
    bic="cac:PayeeFinancialAccount/cac:FinancialInstitutionBranch/cbc:ID",
    namespaces=ubl.NAMESPACES,
)
_SETTLEMENT: Final = "rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeSettlement"
_ACCOUNT: Final = "ram:PayeePartyCreditorFinancialAccount"
_CII: Final = _Paths(
    means=f"{_SETTLEMENT}/ram:SpecifiedTradeSettlementPaymentMeans",
    reference=f"{_SETTLEMENT}/ram:PaymentReference",
    accounts=(f"{_ACCOUNT}/ram:IBANID", f"{_ACCOUNT}/ram:ProprietaryID"),
    account_name=f"{_ACCOUNT}/ram:AccountName",
    bic="ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID",
    namespaces=cii.NAMESPACES,
)


def read_payment(document: bytes) -> Payment:
    """Return how an invoice that was read before is to be paid.

    Raises:
        InputError: it is no XML that Kuvert reads.
    """
    root = safe_xml.parse(document)
    paths = _CII if etree.QName(root).namespace == cii.INVOICE else _UBL
    reference = _first(root, paths.reference, paths)
    for means in root.iterfind(paths.means, paths.namespaces):
        for path in paths.accounts:
            account = _first(means, path, paths)
            if account is not None:
                return Payment(
                    reference=reference,
                    account=account,
                    account_name=_first(means, paths.account_name, paths),
                    bic=_first(means, paths.bic, paths),
                )
    return Payment(reference=reference)


def _first(start: etree._Element, path: str, paths: _Paths) -> str | None:
    """Return the first text at `path`; None without one, or when it is too long."""
    found = next(filter(None, map(text_of, start.iterfind(path, paths.namespaces))), None)
    return None if found is None or len(found) > LONGEST else found
