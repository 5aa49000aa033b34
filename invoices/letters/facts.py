"""What a letter may say of an invoice."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Row

from invoices.documents.payment import UNSTATED, Payment, read_payment
from invoices.values import CREDIT_NOTE_CODES, Syntax


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """An invoice as its letter may tell of it, in the terms of EN 16931."""

    number: str  # BT-1
    issue_date: date  # BT-2
    type_code: str  # BT-3, UNTDID 1001
    currency: str  # BT-5, ISO 4217
    payable_amount: Decimal  # BT-115, in `currency`; negative when the seller owes
    seller_name: str  # BT-27
    buyer_name: str  # BT-44
    source_name: str  # the billing system, as staff call it
    due_date: date | None = None  # BT-9
    buyer_reference: str | None = None  # BT-10
    tax_amount: Decimal | None = None  # BT-110, in `currency`
    seller_id: str | None = None  # BT-29, BT-30 or BT-31
    seller_email: str | None = None  # BT-34 or BT-43
    buyer_id: str | None = None  # BT-46, BT-47 or BT-48
    payment: Payment = UNSTATED  # BG-16

    @property
    def is_credit_note(self) -> bool:
        """Whether the document is a credit note."""
        return self.type_code in CREDIT_NOTE_CODES

    @property
    def is_to_pay(self) -> bool:
        """Whether the buyer has something to pay."""
        return self.payable_amount > 0 and not self.is_credit_note


def facts_of(invoice: Row[Any], source_name: str, document: bytes) -> Facts:
    """Return what a letter may say of a row of invoices, whose original document is given.

    How it is to be paid stands in the document alone; one in JSON does not say.
    """
    return Facts(
        number=invoice.number,
        issue_date=invoice.issue_date,
        type_code=invoice.type_code,
        currency=invoice.currency,
        payable_amount=invoice.payable_amount,
        seller_name=invoice.seller_name,
        buyer_name=invoice.buyer_name,
        source_name=source_name,
        due_date=invoice.due_date,
        buyer_reference=invoice.buyer_reference,
        tax_amount=invoice.tax_amount,
        seller_id=invoice.seller_id,
        seller_email=invoice.seller_email,
        buyer_id=invoice.buyer_id,
        payment=UNSTATED if invoice.syntax == Syntax.JSON else read_payment(document),
    )


SAMPLE: Final = Facts(
    number="2026-0042",
    issue_date=date(2026, 11, 22),
    type_code="380",
    currency="EUR",
    payable_amount=Decimal("1190.00"),
    seller_name="Example Furniture GmbH",
    buyer_name="Sample Trading Ltd",
    source_name="shop",
    due_date=date(2026, 12, 22),
    buyer_reference="PO 4711",
    tax_amount=Decimal("190.00"),
    seller_id="DE123456789",
    seller_email="billing@furniture.example",
    buyer_id="GB999999973",
    payment=Payment(
        reference="RF18 2026 0042",
        account="DE02120300000000202051",
        account_name="Example Furniture GmbH",
        bic="BYLADEM1001",
    ),
)
"""An invented invoice that states everything."""

_BARE: Final = Facts(
    number="7",
    issue_date=date(2026, 1, 1),
    type_code="380",
    currency="JPY",
    payable_amount=Decimal(0),
    seller_name="A",
    buyer_name="B",
    source_name="shop",
)
_BARE_CREDIT_NOTE: Final = replace(
    _BARE, type_code="381", currency="EUR", payable_amount=Decimal("-1.50")
)
SAMPLES: Final = (SAMPLE, _BARE, _BARE_CREDIT_NOTE)
"""What a template is tried with before it is kept: all that can be stated, and hardly anything."""
