"""The pages of letters: who may word them, what is refused, and the preview."""

import html
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Row, update

from core.db import reading, unit_of_work
from core.editing import By
from invoices.letters import Template, builtin
from invoices.services import letters
from tests.admin.conftest import LogIn, Person
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.pages

PAGE = "/admin/letter"
FORM: Mapping[str, object] = {
    "source_id": "",
    "language": "de",
    "subject": "Nr. {{ number }}",
    "text": "Guten Tag,\r\n\r\n{{ buyer_name }}",
    "html": "",
    "invoice": "",
}


@pytest.fixture
def approver(person: LogIn) -> Person:
    """Somebody who words letters."""
    return person("approver")


def kept() -> Row[Any]:
    with reading() as connection:
        [row] = letters.templates(connection)
    return row


def add(subject: str = "Nr. {{ number }}") -> UUID:
    with unit_of_work() as connection:
        return letters.add_template(connection, Template(subject, "Text", language="de"))


def test_an_approver_adds_words_anew_and_removes_a_letter(
    approver: Person, source: SourceWithKey
) -> None:
    new = {**FORM, "source_id": str(source.id)}
    assert "Added." in approver.message(approver.post(f"{PAGE}/new/", **new))
    row = kept()
    assert (row.source, row.language, row.text) == ("erp", "de", "Guten Tag,\n\n{{ buyer_name }}")

    edit = {**FORM, "subject": "Rechnung {{ number }}", "version": "1"}
    page = approver.message(approver.post(f"{PAGE}/edit/?id={row.id}", **edit))
    assert "Saved." in page
    assert "Rechnung 2026-0042" in page
    assert (kept().subject, kept().updated_by) == ("Rechnung {{ number }}", approver.email)

    gone = approver.post(f"{PAGE}/delete/", id=row.id, confirmed="yes")
    assert "Removed" in approver.message(gone)
    with reading() as connection:
        assert letters.templates(connection) == []


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_others_look_and_change_nothing(person: LogIn, role: str) -> None:
    key = add()
    somebody = person(role)

    assert "Nr. {{ number }}" in html.unescape(somebody.text(f"{PAGE}/"))
    assert "Nr. 2026-0042" in somebody.text(f"{PAGE}/details/?id={key}")
    for path in ("new/", f"edit/?id={key}", "preview/", "delete/"):
        assert somebody.post(f"{PAGE}/{path}", **FORM, id=str(key)).status_code == 403
    assert kept().id == key


def test_a_new_letter_begins_with_our_words(approver: Person) -> None:
    page = html.unescape(approver.text(f"{PAGE}/new/?language=sv"))

    assert builtin("sv").text.splitlines()[2] in page
    assert "{{ payment_reference }}" in page


def test_every_letter_of_ours_is_listed(approver: Person) -> None:
    page = approver.text(f"{PAGE}/")

    for name in ("English", "Deutsch", "Svenska", "Français"):
        assert name in page
    assert page.count("Begin with this") == 4


def test_what_is_wrong_is_told_at_its_field(approver: Person) -> None:
    wrong = {
        **FORM,
        "subject": "{{ nmber }}",
        "text": "a\n{% for x in y %}{% endfor %}",
        "html": "<p>\n<script src=//x></script>",
    }

    page = html.unescape(approver.post(f"{PAGE}/new/", **wrong).get_data(as_text=True))

    assert "line 1: there is no 'nmber'; did you mean number?" in page
    assert "line 2: a loop is not part of a letter" in page
    assert "line 2: <script> is not for letters" in page
    with reading() as connection:
        assert letters.templates(connection) == []


def test_a_place_that_is_taken_is_told(approver: Person) -> None:
    add()

    page = approver.post(f"{PAGE}/new/", **FORM).get_data(as_text=True)

    assert "there is a letter for this source and language already" in page


def test_the_second_of_two_editors_is_told(approver: Person) -> None:
    key = add()
    with unit_of_work() as connection:
        letters.edit_template(connection, key, {"subject": "theirs"}, By("ann@example.com"))

    page = approver.post(f"{PAGE}/edit/?id={key}", **FORM, version="1").get_data(as_text=True)

    assert "Somebody else has changed this" in page
    assert kept().subject == "theirs"


def preview(person: Person, path: str = "preview/", **changes: object) -> str:
    answer = person.post(f"{PAGE}/{path}", **{**FORM, **changes})
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_the_preview_shows_the_letter_and_keeps_nothing(approver: Person) -> None:
    page = preview(approver)

    assert "Nr. 2026-0042" in page
    assert 'sandbox="" srcdoc="&lt;!doctype html&gt;' in page
    with reading() as connection:
        assert letters.templates(connection) == []


def test_the_preview_shows_an_invoice_by_number_or_id(
    approver: Person, source: SourceWithKey
) -> None:
    invoice_id = add_invoice(source, number="R-17", buyer={"name": "<b>Grün</b>"})

    for wanted in ("R-17", str(invoice_id)):
        page = preview(approver, invoice=wanted)
        assert "Nr. R-17" in page
        assert "&lt;b&gt;Grün&lt;/b&gt;" in page
        # The frame's document is escaped once for itself and once for its attribute.
        assert "&amp;lt;b&amp;gt;Grün" in page
    assert "there is no invoice R-18" in preview(approver, invoice="R-18")


def test_the_preview_of_a_stored_letter_is_in_its_language(approver: Person) -> None:
    key = add()

    page = preview(approver, f"preview/?id={key}", subject="{{ issue_date }}", language="fr")

    assert "22. November 2026" in page


def test_the_preview_names_every_mistake(approver: Person) -> None:
    page = html.unescape(preview(approver, subject="", text="{{ ''.__class__ }}"))

    assert "Not yet a letter" in page
    assert "1 to 300 characters" in page
    assert "line 1: an attribute (a point after a name) is not part of a letter" in page


def test_a_stored_letter_that_cannot_be_written_says_why(approver: Person) -> None:
    key = add()
    with unit_of_work() as connection:
        old = update(letters.TEMPLATES).where(letters.TEMPLATES.c.id == key)
        connection.execute(old.values(text="{{ gone }}"))

    page = html.unescape(approver.text(f"{PAGE}/details/?id={key}"))

    assert "line 1: there is no 'gone'" in page
    assert "<iframe" not in page


def test_only_pages_with_letters_allow_styles_in_tags(approver: Person) -> None:
    def policy(path: str) -> str:
        return approver.get(path).headers["Content-Security-Policy"]

    allowed = "style-src-attr 'unsafe-inline'"
    assert allowed in policy(f"{PAGE}/new/")
    assert allowed in policy(f"{PAGE}/details/?id={add()}")
    assert allowed not in policy(f"{PAGE}/")
    assert allowed not in policy("/admin/source/")


def test_a_source_gets_the_language_of_its_letters(admin: Person, source: SourceWithKey) -> None:
    edit = {"name": "erp", "provider_id": "", "version": "1"}

    page = admin.message(admin.post(f"/admin/source/edit/?id={source.id}", **edit, language="de"))

    assert "Saved." in page
    with reading() as connection:
        assert letters.choose(connection, source.id).language == "de"
    wrong = {**edit, "version": "2", "language": "xx"}
    refused = admin.post(f"/admin/source/edit/?id={source.id}", **wrong)
    assert "Not saved." in refused.get_data(as_text=True)
