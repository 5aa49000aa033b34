"""From an invoice to what stands where on the sheet; the template only sets it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from invoices.pdf import words
from invoices.pdf.forms import LONGEST_ID, Forms, narrow, printable
from invoices.pdf.paper import Address, Adjustment, Identifier, Paper, Party, TaxPart
from invoices.pdf.sheet_lines import adjusting, lines_of
from invoices.pdf.sheet_payment import attachments_of, payment_of

Sheet = Mapping[str, "Content"]
Content = str | int | bool | Sequence["Content"] | Sheet
Row = tuple[str, str]

_TOTALS: Final = (
    "lines",
    "allowances",
    "charges",
    "tax_exclusive",
    "tax",
    "tax_in_tax_currency",
    "tax_inclusive",
    "prepaid",
    "rounding",
    "payable",
)
_LONGEST_HEAD: Final = 60
_LABELS: Final = (
    "page",
    "of",
    "notes",
    "line",
    "item",
    "quantity",
    "price",
    "vat",
    "net_amount",
    "no_lines",
    "adjustments",
    "taxes",
    "category",
    "rate",
    "base",
    "tax",
    "totals",
    "payment",
    "attachments",
    "made_from",
    "lacks_fonts",
)


def lay_out(paper: Paper, language: str) -> Sheet:
    """Return all texts of the sheet in `language`, ready to be set."""
    forms = Forms(language)
    sheet: Sheet = {
        "language": language,
        "title": _title(paper, forms),
        "number": paper.number,
        "currency": paper.currency,
        "labels": {key: forms.label(key) for key in _LABELS},
        "running": _shortened(paper.seller.name),
        "sender": ", ".join([paper.seller.name, *_place(paper.seller.address, forms)]),
        "seller": _seller(paper.seller, forms),
        "buyer": _buyer(paper.buyer, forms),
        "facts": _facts(paper, forms),
        "references": _references(paper, forms),
        "parties": list(_parties(paper, forms)),
        "notes": paper.notes,
        "lines": lines_of(paper, forms),
        "adjustments": [_adjustment(one, paper, forms) for one in paper.adjustments],
        "taxes": [_tax(part, paper, forms) for part in paper.taxes],
        "totals": list(_totals(paper, forms)),
        "payment": list(payment_of(paper.payment, forms)),
        "attachments": list(attachments_of(paper)),
    }
    return {key: _printable(content) for key, content in sheet.items()}


def _printable(content: Content) -> Content:
    """Make every text printable, however deep it stands."""
    if isinstance(content, str):
        return printable(content)
    if isinstance(content, Mapping):
        return {key: _printable(part) for key, part in content.items()}
    if isinstance(content, Sequence):
        return [_printable(part) for part in content]
    return content


def _title(paper: Paper, forms: Forms) -> str:
    usual = "credit_note" if paper.is_credit_note else "invoice"
    if paper.type_code in words.TYPES:
        return forms.named(words.TYPES, paper.type_code)
    return forms.label(usual)


def _shortened(name: str) -> str:
    """Return a name for the head of the pages that follow; the first page has it whole."""
    return name if len(name) <= _LONGEST_HEAD else f"{name[:_LONGEST_HEAD]}\u2026"


def _place(address: Address, forms: Forms) -> list[str]:
    """Return the lines of an address, the country as its name."""
    city = " ".join(filter(None, (address.postal_code, address.city)))
    country = forms.country(address.country)
    return [text for text in (*address.lines, city, address.subdivision, country) if text]


def _seller(seller: Party, forms: Forms) -> Sheet:
    return {
        "name": seller.name,
        "lines": [*filter(None, (seller.trading_name,)), *_place(seller.address, forms)],
        "details": _details(seller, forms),
        "information": seller.legal_information,
    }


def _buyer(buyer: Party, forms: Forms) -> Sheet:
    lines = (buyer.trading_name, buyer.contact)
    return {
        "name": buyer.name,
        "lines": [*filter(None, lines), *_place(buyer.address, forms)],
        "details": [row for row in _details(buyer, forms) if row[0] != forms.label("contact")],
        "information": buyer.legal_information,
    }


def _details(party: Party, forms: Forms) -> list[Row]:
    """Return the numbers of a party and how to reach it."""
    rows = (
        ("vat_id", party.vat_id),
        ("tax_id", party.tax_id),
        ("legal_id", _identifier(party.legal_id)),
        *(("id", _identifier(one)) for one in party.ids),
        ("contact", party.contact),
        ("phone", party.phone),
        ("email", party.email),
        ("electronic_address", _identifier(party.electronic_address)),
    )
    return [(forms.label(key), narrow(text, LONGEST_ID)) for key, text in rows if text]


def _identifier(one: Identifier | None) -> str:
    if one is None:
        return ""
    return f"{one.scheme}:{one.text}" if one.scheme else one.text


def _facts(paper: Paper, forms: Forms) -> list[Row]:
    rows = (
        ("number", paper.number),
        ("issue_date", forms.day(paper.issue_date)),
        ("due_date", forms.day(paper.due_date)),
        ("delivery_date", forms.day(paper.delivery.day)),
        ("period", forms.period(paper.period)),
        ("tax_point", forms.day(paper.tax_point)),
        ("currency", paper.currency),
    )
    return [(forms.label(key), narrow(text)) for key, text in rows if text]


def _references(paper: Paper, forms: Forms) -> list[Row]:
    rows = [(forms.label(key), narrow(text, LONGEST_ID)) for key, text in paper.references if text]
    for number, day in paper.preceding:
        dated = f" {forms.label('dated')} {forms.day(day)}" if day else ""
        rows.append((forms.label("preceding"), narrow(f"{number}{dated}", LONGEST_ID)))
    return rows


def _parties(paper: Paper, forms: Forms) -> Iterator[Sheet]:
    """Yield who has a part in it beside seller and buyer."""
    delivery = paper.delivery
    place = _place(delivery.address, forms)
    if delivery.name or place or delivery.location:
        rows = [(forms.label("location"), _identifier(delivery.location))]
        yield {
            "heading": forms.label("delivered_to"),
            "lines": [text for text in (delivery.name, *place) if text],
            "details": [row for row in rows if row[1]],
        }
    for key, party in (("payee", paper.payee), ("representative", paper.representative)):
        if party is not None:
            lines = (party.name, party.trading_name, *_place(party.address, forms))
            yield {
                "heading": forms.label(key),
                "lines": [text for text in lines if text],
                "details": _details(party, forms),
            }


def _adjustment(one: Adjustment, paper: Paper, forms: Forms) -> Sheet:
    text, amount = adjusting(one, paper.currency, forms)
    return {"text": text, "rate": forms.percent(one.tax.rate), "amount": amount}


def _tax(part: TaxPart, paper: Paper, forms: Forms) -> Sheet:
    category = part.tax.category
    return {
        "category": forms.named(words.CATEGORIES, category) or forms.label("vat"),
        "exemption": part.exemption,
        "rate": forms.percent(part.tax.rate),
        "base": forms.amount(part.base, paper.currency),
        "amount": forms.amount(part.amount, paper.currency),
    }


def _totals(paper: Paper, forms: Forms) -> Iterator[Sheet]:
    """Yield the totals that are stated, BT-106 to BT-115."""
    for key in _TOTALS:
        figure = getattr(paper.totals, key)
        if figure is not None:
            own = paper.tax_currency if key == "tax_in_tax_currency" else ""
            yield {
                "label": forms.label(f"total_{key}"),
                "amount": forms.money(figure, own or paper.currency),
                "is_strong": key == "payable",
            }
