"""Templates that staff keep: which one counts, who wins, and what is refused."""

from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from core import audit
from core.db import reading, unit_of_work
from core.editing import By
from core.errors import ChangedError, ConflictError, InputError, NotFoundError
from core.ids import new_id
from invoices import edits
from invoices.documents import read_xml_invoice
from invoices.letters import Template, builtin
from invoices.services import intake
from invoices.services import letters as service
from tests.invoices.xml_samples import a_ubl
from tests.support.factories import SourceWithKey, add_invoice, add_source

pytestmark = pytest.mark.every_database

ANN = By("ann@example.com")


def keep(subject: str, language: str = "en", source: SourceWithKey | None = None) -> UUID:
    template = Template(subject, "text", language=language)
    with unit_of_work() as connection:
        return service.add_template(connection, template, source.id if source else None)


def chosen(source: SourceWithKey, language: str | None = None) -> str:
    with reading() as connection:
        return service.choose(connection, source.id, language).subject


def speak(source: SourceWithKey, language: str) -> None:
    with unit_of_work() as connection:
        edits.set_source_language(connection, source.name, language, ANN)


def test_ours_counts_until_staff_write_one(source: SourceWithKey) -> None:
    assert chosen(source) == builtin("en").subject
    assert chosen(source, "sv") == builtin("sv").subject

    speak(source, "de")

    assert chosen(source) == builtin("de").subject


def test_the_nearest_template_counts(source: SourceWithKey) -> None:
    speak(source, "de")
    keep("all fr", "fr")
    keep("all de", "de")
    assert (chosen(source), chosen(source, "fr")) == ("all de", "all fr")

    keep("own de", "de", source)
    # The source's own words, though in another language than was asked for.
    assert (chosen(source), chosen(source, "fr")) == ("own de", "own de")

    keep("own fr", "fr", source)
    assert (chosen(source), chosen(source, "fr")) == ("own de", "own fr")


def test_a_template_is_for_its_source_alone(source: SourceWithKey) -> None:
    keep("own", "en", source)

    assert chosen(add_source("other")) == builtin("en").subject


@pytest.mark.parametrize(
    ("label", "expected"),
    [("de", "Rechnung"), ("DE-at", "Rechnung"), ("fr_CH", "Facture"), ("klingon", "Invoice")],
    ids=["plain", "region", "underscore", "unknown"],
)
def test_an_invoice_asks_for_a_language_by_a_label(
    source: SourceWithKey, label: str, expected: str
) -> None:
    invoice_id = add_invoice(source, labels={"language": label})

    with reading() as connection:
        draft = service.draft(connection, invoice_id)

    assert draft.write().subject.startswith(expected)


def test_letters_of_many_are_read_at_once(source: SourceWithKey) -> None:
    other = add_source("other")
    keep("{{ source_name }} {{ number }}", "en", other)
    mine, theirs = add_invoice(source, number="1"), add_invoice(other, number="2")

    with reading() as connection:
        found = service.drafts(connection, [mine, theirs, new_id()])

    assert {key: draft.write().subject for key, draft in found.items()} == {
        mine: "Invoice 1 from Blau & Söhne",
        theirs: "other 2",
    }


def test_an_xml_invoice_says_how_to_pay(source: SourceWithKey) -> None:
    means = (
        "<cac:PaymentMeans><cbc:PaymentID>RF18</cbc:PaymentID></cac:PaymentMeans>"
        "<cac:PaymentMeans><cac:PayeeFinancialAccount><cbc:ID>DE02120300000000202051</cbc:ID>"
        "</cac:PayeeFinancialAccount></cac:PaymentMeans>"
        "<cac:PaymentMeans><cac:PayeeFinancialAccount><cbc:ID>2</cbc:ID><cbc:Name>Another</cbc:Name>"
        "</cac:PayeeFinancialAccount></cac:PaymentMeans><cac:TaxTotal>"
    )
    new = read_xml_invoice(a_ubl().replace("<cac:TaxTotal>", means, 1).encode())
    with unit_of_work() as connection:
        invoice_id = intake.accept(connection, source.id, source.environment, new).id

    with reading() as connection:
        text = service.draft(connection, invoice_id).write().text

    assert "Account: DE02 1203 0000 0000 2020 51" in text
    assert "Payment reference: RF18" in text
    assert "Another" not in text


def test_one_place_is_taken_once(source: SourceWithKey) -> None:
    keep("a")
    keep("a", "de")
    keep("a", "en", source)

    for owner in (None, source):
        with pytest.raises(ConflictError, match="already"):
            keep("b", "en", owner)


def test_what_breaks_a_rule_is_not_kept(source: SourceWithKey) -> None:
    key = keep("a")

    with pytest.raises(InputError, match="line 1: there is no 'nmber'; did you mean number"):
        keep("{{ nmber }}", "de")
    with pytest.raises(InputError, match="known are en, de"), unit_of_work() as connection:
        service.add_template(connection, Template("a", "b", language="xx"))
    with pytest.raises(InputError, match="no such source"), unit_of_work() as connection:
        service.add_template(connection, Template("a", "b"), new_id())
    with (
        pytest.raises(InputError, match="language cannot be changed"),
        unit_of_work() as connection,
    ):
        service.edit_template(connection, key, {"language": "de"}, ANN)
    with pytest.raises(InputError, match="<script>"), unit_of_work() as connection:
        service.edit_template(connection, key, {"html": "<script>1</script>"}, ANN)

    assert (chosen(source), chosen(source, "de")) == ("a", builtin("de").subject)


def test_of_two_editors_the_second_is_told(source: SourceWithKey) -> None:
    key = keep("a")
    with unit_of_work() as connection:
        changed = service.edit_template(connection, key, {"subject": "b"}, ANN, 1)

    with pytest.raises(ChangedError, match="ann@example"), unit_of_work() as connection:
        service.edit_template(connection, key, {"subject": "c"}, By("bob"), 1)

    assert changed == {"subject"}
    assert chosen(source) == "b"


def test_a_removed_template_counts_no_more(source: SourceWithKey) -> None:
    key = keep("a")

    with unit_of_work() as connection:
        service.remove_template(connection, key, 1)

    assert chosen(source) == builtin("en").subject
    with pytest.raises(NotFoundError), unit_of_work() as connection:
        service.remove_template(connection, key)


def test_lines_of_a_browser_are_kept_as_ours(app: Flask) -> None:
    with unit_of_work() as connection:
        service.add_template(connection, Template(" s ", "a\r\nb", ""))

    with reading() as connection:
        [row] = service.templates(connection)

    assert (row.subject, row.text, row.html, row.source) == ("s", "a\nb", None, None)


def test_a_template_that_breaks_a_rule_of_today_fails_before_anything_is_sent(
    source: SourceWithKey,
) -> None:
    key = keep("{{ number }}")
    invoice_id = add_invoice(source)
    with unit_of_work() as connection:
        old = update(service.TEMPLATES).where(service.TEMPLATES.c.id == key)
        connection.execute(old.values(text="{{ gone }}"))

    with reading() as connection:
        draft = service.draft(connection, invoice_id)

    with pytest.raises(InputError, match="/text: line 1: there is no 'gone'"):
        draft.write()


def test_every_change_is_in_the_audit(source: SourceWithKey) -> None:
    key = keep("a", "en", source)
    with unit_of_work() as connection:
        service.edit_template(connection, key, {"subject": "b", "text": "text"}, ANN)
        service.remove_template(connection, key)

    with reading() as connection:
        entries = audit.search(connection, audit.Filter(kind="letter_templates"))

    assert [entry.operation for entry in entries] == ["delete", "update", "insert"]


def test_a_source_speaks_only_languages_that_letters_have(source: SourceWithKey) -> None:
    with pytest.raises(InputError, match="one of en, de"):
        speak(source, "xx")
    with pytest.raises(NotFoundError), unit_of_work() as connection:
        edits.set_source_language(connection, "nobody", "de", ANN)
