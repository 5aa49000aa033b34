"""Facts as a language writes them: the variables that a template may name."""

import copy
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.dates import format_date

from invoices import currencies
from invoices.letters.facts import Facts

_WORDS: Final[Mapping[str, Mapping[str, Any]]] = tomllib.loads(
    Path(__file__).with_name("words.toml").read_text(encoding="utf-8")
)
LANGUAGES: Final[Mapping[str, str]] = {code: words["name"] for code, words in _WORDS.items()}
"""The languages of letters: ISO 639-1 code → what its speakers call it."""

DEFAULT_LANGUAGE: Final = "en"

VARIABLES: Final[Mapping[str, str]] = {
    "document": "what the document is called, such as Invoice (BT-3)",
    "number": "its number (BT-1)",
    "issue_date": "its date (BT-2)",
    "due_date": "when it is due (BT-9)",
    "currency": "the code of its currency, such as EUR (BT-5)",
    "payable_amount": "what is to be paid, with the currency (BT-115)",
    "tax_amount": "the tax, with the currency (BT-110)",
    "seller_name": "the seller (BT-27)",
    "seller_id": "an identifier of the seller (BT-29, BT-30 or BT-31)",
    "seller_email": "the seller's address for mail (BT-34 or BT-43)",
    "buyer_name": "the buyer (BT-44)",
    "buyer_id": "an identifier of the buyer (BT-46, BT-47 or BT-48)",
    "buyer_reference": "the buyer's reference (BT-10)",
    "payment_reference": "what to state with the payment (BT-83)",
    "iban": "the account to pay to (BT-84)",
    "account_name": "who holds that account (BT-85)",
    "bic": "its bank (BT-86)",
    "source_name": "the billing system that the invoice came from",
    "is_credit_note": "true for a credit note, for {% if %}",
    "is_to_pay": "true when the buyer has something to pay, for {% if %}",
}
"""Name → what it is. All are texts, empty when the invoice does not say; `is_…` are true or not."""

# Control characters and line separators, which could forge a line; halves of characters; and the
# marks that turn the direction of text around, with which a name could dress up what follows it.
_FORGING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_TURNING: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Hebrew, Arabic, Syriac, Thaana, N'Ko and others, which are written from right to left.
_RIGHT_TO_LEFT: Final = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_ISOLATE: Final = "\u2068"
_END: Final = "\u2069"
# CLDR's currencySpacing, which Babel leaves out: RSD 5, not RSD5.
_CROWDED: Final = re.compile(r"(?<=[^\W\d_])(?=\d)")
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")  # ISO 13616


def direction_of(language: str) -> str:
    """Return `ltr` or `rtl`, the direction that a language is written in."""
    return _locale(language).text_direction


def words_of(facts: Facts, language: str) -> dict[str, str | bool]:
    """Return the variables of a template for one letter, on one line each."""
    locale, payment = _locale(language), facts.payment
    texts = {
        "document": _document(facts, language),
        "number": facts.number,
        "currency": facts.currency,
        "issue_date": _day(facts.issue_date, locale),
        "due_date": _day(facts.due_date, locale),
        "payable_amount": _money(facts.payable_amount, facts.currency, locale),
        "tax_amount": _money(facts.tax_amount, facts.currency, locale),
        "seller_name": facts.seller_name,
        "seller_id": facts.seller_id,
        "seller_email": facts.seller_email,
        "buyer_name": facts.buyer_name,
        "buyer_id": facts.buyer_id,
        "buyer_reference": facts.buyer_reference,
        "payment_reference": payment.reference,
        "iban": _account(payment.account),
        "account_name": payment.account_name,
        "bic": payment.bic,
        "source_name": facts.source_name,
    }
    flags = {"is_credit_note": facts.is_credit_note, "is_to_pay": facts.is_to_pay}
    return {name: _plain(text or "") for name, text in texts.items()} | flags


def isolated(text: str) -> str:
    """Return a text whose direction leaves its neighbours alone (Unicode UAX #9, isolates).

    Only what is written from right to left is marked: marks are copied along with a number.
    """
    return f"{_ISOLATE}{text}{_END}" if _RIGHT_TO_LEFT.search(text) else text


def _plain(text: str) -> str:
    return _TURNING.sub("", _FORGING.sub(" ", text)).strip()


def _locale(language: str) -> Locale:
    return Locale.parse(_WORDS[language]["locale"])


def _document(facts: Facts, language: str) -> str:
    words = _WORDS[language]
    kind = "credit_note" if facts.is_credit_note else "invoice"
    name: str = words.get("types", {}).get(facts.type_code, words[kind])
    return name


def _day(day: date | None, locale: Locale) -> str:
    return format_date(day, "long", locale) if day is not None else ""


def _money(amount: Decimal | None, currency: str, locale: Locale) -> str:
    """Write money with the decimals of ISO 4217, and all that the amount has.

    CLDR has what shops display: it would write an amount in dinars without its decimals.
    """
    if amount is None:
        return ""
    known = currencies.find(currency)
    least = known.decimals if known else 2
    exact = max(least, -int(amount.normalize().as_tuple().exponent)) if amount else least
    pattern = copy.copy(locale.currency_formats["standard"])
    pattern.frac_prec = (exact, exact)
    written: str = pattern.apply(amount, locale, currency=currency, currency_digits=False)
    return _CROWDED.sub("\N{NO-BREAK SPACE}", written)


def _account(text: str | None) -> str:
    """Write an IBAN in groups of four, as on paper; any other account as it is."""
    joined = (text or "").replace(" ", "").upper()
    if not _IBAN.fullmatch(joined):
        return text or ""
    return " ".join(joined[start : start + 4] for start in range(0, len(joined), 4))
