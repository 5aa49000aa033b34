"""The PDF on the page of an invoice."""

import pytest

from core.ids import new_id
from invoices.queries import DOCUMENTS
from tests.admin.conftest import Person
from tests.invoices.pdf.pages import whole_text
from tests.support import desk
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.pages


def test_the_page_of_an_invoice_offers_its_pdf(viewer: Person, source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    page = viewer.text(f"/admin/invoice/details/?id={invoice_id}")
    link = f"/admin/invoice/pdf/?id={invoice_id}"
    assert f'href="{link}"' in page

    answer = viewer.get(link)

    assert answer.status_code == 200
    assert answer.content_type == "application/pdf"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{invoice_id}.pdf"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Amount due" in whole_text(answer.data)


def test_without_the_extra_the_page_says_how_to_get_it(
    viewer: Person, source: SourceWithKey, without_typst: None
) -> None:
    invoice_id = add_invoice(source)

    page = viewer.text(f"/admin/invoice/details/?id={invoice_id}")
    answer = viewer.get(f"/admin/invoice/pdf/?id={invoice_id}")

    assert f"/admin/invoice/pdf/?id={invoice_id}" not in page
    assert "make pdf" in page
    assert answer.status_code == 501
    assert "requirements/pdf.txt" in answer.get_data(as_text=True)


def test_a_document_that_is_none_is_told_of(viewer: Person, source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    desk.change(DOCUMENTS, body=b"<html/>", media_type="application/xml")

    answer = viewer.get(f"/admin/invoice/pdf/?id={invoice_id}")

    assert answer.status_code == 422
    assert "not an invoice format" in answer.get_data(as_text=True)


def test_there_is_no_pdf_of_no_invoice(viewer: Person) -> None:
    for wrong in (new_id(), "x", ""):
        assert viewer.get(f"/admin/invoice/pdf/?id={wrong}").status_code == 404
