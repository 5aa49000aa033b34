"""How to pay, and what came with the invoice."""

import re
from collections.abc import Iterator
from typing import Final

from invoices.pdf import words
from invoices.pdf.forms import Forms
from invoices.pdf.paper import Account, Paper, Payment
from invoices.pdf.parts import once

_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}")


def payment_of(payment: Payment, forms: Forms) -> Iterator[tuple[str, str]]:
    """Yield label and text of all that says how to pay (BG-16, BT-20)."""
    rows = [
        *(("payment_means", text) for text in once(_means(*one, forms) for one in payment.means)),
        *(("payment_reference", text) for text in payment.references),
        *(row for account in payment.accounts for row in _account(account)),
        *(("card", text) for text in payment.cards),
        ("mandate", payment.mandate),
        ("creditor", payment.creditor),
        ("debited_account", _grouped(payment.debited_account)),
        *(("terms", text) for text in payment.terms),
    ]
    yield from ((forms.label(key), text) for key, text in rows if text)


def _means(code: str, text: str, forms: Forms) -> str:
    """Return the means of payment (BT-81), and the seller's own words for it (BT-82)."""
    named = forms.named(words.MEANS, code)
    return f"{named} ({text})" if text and text.lower() != named.lower() else named


def _account(account: Account) -> Iterator[tuple[str, str]]:
    yield "account", _grouped(account.number)
    yield "account_name", account.name
    yield "bank", account.bank


def _grouped(number: str) -> str:
    """Return an IBAN in groups of four, as ISO 13616 prints it; another number as it is."""
    if not _IBAN.fullmatch(number):
        return number
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


def attachments_of(paper: Paper) -> Iterator[str]:
    """Yield a line for each supporting document (BG-24)."""
    for one in paper.attachments:
        yield ", ".join(filter(None, (one.id, one.description, one.file_name, one.location)))
