"""What an invoice is to Kuvert, however it was written down."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

_INVOICE_CODES: Final = """
    71 80 82 84 102 130 202 203 204 211 218 219 295 325 326 331 380 382 383 384 385 386 387 388
    389 390 393 394 395 456 457 471 472 473 500 501 527 553 575 623 633 751 780 817 870 875 876
    877 935
"""
_CREDIT_NOTE_CODES: Final = "81 83 261 262 296 308 381 396 420 458 502 503 532"
# UNTDID 1001 as EN 16931 admits it (BR-CL-01).
CREDIT_NOTE_CODES: Final = frozenset(_CREDIT_NOTE_CODES.split())
TYPE_CODES: Final = CREDIT_NOTE_CODES | frozenset(_INVOICE_CODES.split())

NUMBER_LENGTH: Final = 64
NAME_LENGTH: Final = 300
ID_LENGTH: Final = 120
ADDRESS_LENGTH: Final = 1_000
BUYER_REFERENCE_LENGTH: Final = 200
EXTERNAL_ID_LENGTH: Final = 120
CUSTOMIZATION_LENGTH: Final = 300
PROVIDER_LENGTH: Final = 60
# RFC 5321 §4.5.3.1.3: a path is at most 256 octets with its two brackets.
EMAIL_LENGTH: Final = 254
DESCRIPTION_LENGTH: Final = 1_000
MAX_LABELS: Final = 20
LABEL_KEY_LENGTH: Final = 60
LABEL_VALUE_LENGTH: Final = 200
AMOUNT_DIGITS: Final = 12
FIRST_YEAR: Final = 1990
LAST_YEAR: Final = 2100

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# An addr-spec of RFC 5321 without quoting, ASCII only, with at least two labels.
EMAIL_PATTERN: Final = rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+"
_email = re.compile(EMAIL_PATTERN)


class Syntax(StrEnum):
    """How the document is written."""

    JSON = "json"
    UBL = "ubl"
    CII = "cii"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvoice:
    """A well-formed invoice that is asked to be sent.

    `body` is the document, byte for byte; all the rest was read from it or from the request.
    """

    number: str  # BT-1
    issue_date: date  # BT-2
    type_code: str  # BT-3
    currency: str  # BT-5, ISO 4217
    payable_amount: Decimal  # BT-115, in `currency`; negative when the seller owes
    seller_name: str  # BT-27
    buyer_name: str  # BT-44
    line_count: int
    syntax: Syntax
    media_type: str
    body: bytes
    due_date: date | None = None  # BT-9
    buyer_reference: str | None = None  # BT-10
    tax_amount: Decimal | None = None  # BT-110, in `currency`
    seller_id: str | None = None  # BT-29, BT-30 or BT-31
    seller_email: str | None = None
    buyer_id: str | None = None  # BT-46, BT-47 or BT-48
    buyer_email: str | None = None
    buyer_address: str | None = None  # BG-8, one part per line
    customization_id: str | None = None  # BT-24
    provider_code: str | None = None
    recipient: str | None = None
    external_id: str | None = None
    send_at: datetime | None = None  # aware, UTC
    labels: Mapping[str, str] = field(default_factory=dict)


def is_email(text: str) -> bool:
    """Tell whether a message can be addressed to `text`."""
    return len(text) <= EMAIL_LENGTH and _email.fullmatch(text) is not None
