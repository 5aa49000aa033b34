"""An invoice as paper shows it: every term of EN 16931 that a reader wants to see.

It is read leniently, because intake has refused what is wrong where it matters: a figure or a day
that cannot be understood stays the text it is, so that nothing of a document gets lost in print.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

Figure = Decimal | str
Day = date | str


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier and the scheme it comes from, "" where none is stated."""

    text: str
    scheme: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A postal address (BG-5, BG-8, BG-12, BG-15); `country` is an ISO 3166-1 alpha-2 code."""

    lines: tuple[str, ...] = ()
    postal_code: str = ""
    city: str = ""
    subdivision: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Seller (BG-4), buyer (BG-7), payee (BG-10) or the seller's tax representative (BG-11)."""

    name: str
    trading_name: str = ""
    address: Address = Address()
    ids: tuple[Identifier, ...] = ()
    legal_id: Identifier | None = None
    vat_id: str = ""
    tax_id: str = ""
    electronic_address: Identifier | None = None
    contact: str = ""
    phone: str = ""
    email: str = ""
    legal_information: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From and to, both days included; one may be missing."""

    start: Day | None = None
    end: Day | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Where and when it was delivered (BG-13)."""

    name: str = ""
    location: Identifier | None = None
    day: Day | None = None
    address: Address = Address()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """A VAT category (UNTDID 5305) and its rate in percent."""

    category: str = ""
    rate: Figure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """An allowance or a charge, of the document (BG-20, BG-21) or of a line (BG-27, BG-28)."""

    is_charge: bool
    amount: Figure | None
    base: Figure | None = None
    percent: Figure | None = None
    reason: str = ""
    tax: Tax = Tax()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line (BG-25). `level` is 1 for a part of a line, 2 for a part of a part."""

    id: str
    name: str
    description: str = ""
    notes: tuple[str, ...] = ()
    quantity: Figure | None = None
    unit: str = ""  # UN/ECE Recommendation 20 and 21
    price: Figure | None = None
    price_discount: Figure | None = None
    gross_price: Figure | None = None
    base_quantity: Figure | None = None
    base_unit: str = ""
    tax: Tax = Tax()
    net_amount: Figure | None = None
    adjustments: tuple[Adjustment, ...] = ()
    period: Period = Period()
    references: tuple[tuple[str, str], ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    origin: str = ""  # ISO 3166-1 alpha-2
    level: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxPart:
    """One row of the VAT breakdown (BG-23)."""

    tax: Tax
    base: Figure | None
    amount: Figure | None
    exemption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the document states (BG-22), in its currency but for `tax_in_tax_currency`."""

    lines: Figure | None = None  # BT-106
    allowances: Figure | None = None  # BT-107
    charges: Figure | None = None  # BT-108
    tax_exclusive: Figure | None = None  # BT-109
    tax: Figure | None = None  # BT-110
    tax_in_tax_currency: Figure | None = None  # BT-111
    tax_inclusive: Figure | None = None  # BT-112
    prepaid: Figure | None = None  # BT-113
    rounding: Figure | None = None  # BT-114
    payable: Figure | None = None  # BT-115


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where to pay (BG-17): an IBAN or a national number."""

    number: str
    name: str = ""
    bank: str = ""  # BIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """How to pay (BG-16)."""

    means: tuple[tuple[str, str], ...] = ()  # code of UNTDID 4461, and the seller's own words
    references: tuple[str, ...] = ()  # BT-83
    accounts: tuple[Account, ...] = ()
    cards: tuple[str, ...] = ()  # BT-87 and BT-88
    mandate: str = ""  # BT-89
    creditor: str = ""  # BT-90
    debited_account: str = ""  # BT-91
    terms: tuple[str, ...] = ()  # BT-20


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A supporting document (BG-24); what is embedded is listed by the name of its file."""

    id: str
    description: str = ""
    file_name: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """The whole invoice. `references` are labels (a key of `words.LABELS`) and texts."""

    number: str
    type_code: str
    is_credit_note: bool
    currency: str
    seller: Party
    buyer: Party
    issue_date: Day | None = None
    due_date: Day | None = None
    tax_point: Day | None = None
    tax_currency: str = ""
    period: Period = Period()
    references: tuple[tuple[str, str], ...] = ()
    preceding: tuple[tuple[str, Day | None], ...] = ()
    payee: Party | None = None
    representative: Party | None = None
    delivery: Delivery = Delivery()
    lines: tuple[Line, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    taxes: tuple[TaxPart, ...] = ()
    totals: Totals = field(default_factory=Totals)
    payment: Payment = field(default_factory=Payment)
    notes: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
