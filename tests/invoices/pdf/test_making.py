"""Making a PDF from an invoice."""

import threading

import pytest

from core.errors import InputError, MediaTypeError, NotInstalledError, UnreadableError
from invoices import pdf
from invoices.samples import samples
from tests.invoices.json_samples import an_invoice
from tests.invoices.pdf.pages import of_json, of_xml, printed, whole_text
from tests.invoices.xml_samples import a_cii, a_ubl

TOTALS = (
    "Sum of lines 150.00 EUR",
    "Total without VAT 150.00 EUR",
    "VAT 37.50 EUR",
    "VAT in accounting currency 412.50",
    "Total with VAT 187.50 EUR",
    "Paid before 10.00 EUR",
    "Amount due 177.50 EUR",
)


@pytest.mark.parametrize("document", [a_ubl(), a_ubl("CreditNote"), a_cii()], ids="abc")
def test_an_xml_invoice_shows_its_totals_and_its_parties(document: str) -> None:
    shown = whole_text(of_xml(document))

    assert [total for total in TOTALS if total not in shown] == []
    for text in ("Seller GmbH", "Büyer AB", "Way 1", "12345", "Sweden", "PO 7", "22 Nov 2026"):
        assert text in shown


def test_a_json_invoice_shows_its_totals() -> None:
    shown = whole_text(printed())

    for text in ("Consulting", "2 50.00 25 % 100.00", "25 % 100.00 25.00"):
        assert text in shown
    assert "Total without VAT 100.00 EUR VAT 25.00 EUR Total with VAT 125.00 EUR" in shown
    assert "Amount due 125.00 EUR" in shown


@pytest.mark.parametrize(
    ("document", "language", "title"),
    [
        (a_ubl(), "en", "Invoice U-1"),
        (a_ubl("CreditNote"), "en", "Credit note U-1"),
        (a_ubl(), "de", "Rechnung U-1"),
        (a_ubl("CreditNote"), "de", "Gutschrift U-1"),
    ],
    ids=["invoice", "credit note", "Rechnung", "Gutschrift"],
)
def test_a_credit_note_is_called_so(document: str, language: str, title: str) -> None:
    assert title in whole_text(of_xml(document, language))


def test_german_writes_amounts_and_days_its_own_way() -> None:
    shown = whole_text(of_xml(a_ubl().replace("187.50", "1187187.50"), "de"))

    assert "1.187.187,50 EUR" in shown
    assert "22.11.2026" in shown
    assert "Schweden" in shown


def test_every_sample_can_be_made() -> None:
    for sample in samples("T"):
        for language in pdf.LANGUAGES:
            assert pdf.make(sample.document, sample.media_type, language=language)[:5] == b"%PDF-"


def test_the_same_invoice_gives_the_same_bytes() -> None:
    assert of_xml(a_ubl()) == of_xml(a_ubl())
    assert printed() == printed()


def test_two_threads_may_make_at_once() -> None:
    made: list[bytes] = []

    threads = [threading.Thread(target=lambda: made.append(of_xml(a_ubl()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made == [of_xml(a_ubl())] * 4


def test_no_other_language_is_taken() -> None:
    with pytest.raises(InputError, match="en, de"):
        of_json(an_invoice(), "fr")


def test_what_is_no_invoice_is_refused() -> None:
    with pytest.raises(MediaTypeError):
        pdf.make(b"<Invoice/>", "text/html")
    with pytest.raises(UnreadableError):
        pdf.make(b"[]", "application/json")
    with pytest.raises(InputError, match="not an invoice format"):
        pdf.make(b"<html/>", "application/xml")


def test_without_typst_it_says_what_to_install(without_typst: None) -> None:
    assert not pdf.is_available()
    with pytest.raises(NotInstalledError, match=r"requirements/pdf\.txt"):
        of_xml(a_ubl())
