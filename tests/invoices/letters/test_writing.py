"""Letters from good templates: what they say, in which language."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from core.errors import InputError
from invoices.letters import LANGUAGES, SAMPLE, Template, builtin, check, write


def subject_of(source: str, language: str = "en", **facts: object) -> str:
    template = Template(source, "text", language=language)
    return write(template, replace(SAMPLE, **facts)).subject  # type: ignore[arg-type]


@pytest.mark.parametrize("language", ["en", "de", "sv", "fr"])
def test_our_own_templates_keep_their_own_rules(language: str) -> None:
    template = builtin(language)

    check(template)

    assert template.language == language
    assert SAMPLE.number in write(template, SAMPLE).subject


def test_a_language_without_a_template_of_ours_gets_the_english_one() -> None:
    assert builtin("pl") == builtin("en")
    assert builtin("../../secrets") == builtin("en")


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_language_writes_dates_and_money(language: str) -> None:
    subject = subject_of("{{ document }} {{ issue_date }} {{ payable_amount }}", language)

    assert "2026" in subject
    assert "190" in subject


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "€1,190.00 on 22 November 2026"),
        ("de", "1.190,00\xa0€ on 22. November 2026"),
        ("fr", "1\u202f190,00\xa0€ on 22 novembre 2026"),
    ],
    ids=["en", "de", "fr"],
)
def test_money_and_dates_are_written_as_the_language_does(language: str, expected: str) -> None:
    template = Template("s", "{{ payable_amount }} on {{ issue_date }}", language=language)

    assert write(template, SAMPLE).text == f"{expected}\n"


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("1234", "JPY", "JP¥1,234"),
        ("1234.5", "RSD", "RSD 1,234.50"),
        ("1.234", "KWD", "KWD 1.234"),
        ("0.0001", "EUR", "€0.0001"),
        ("-3", "EUR", "-€3.00"),
        ("0", "EUR", "€0.00"),
        ("999999999999.9999", "EUR", "€999,999,999,999.9999"),
    ],
    ids=["yen", "dinar", "three", "four", "negative", "zero", "large"],
)
def test_no_decimal_of_an_amount_is_lost(amount: str, currency: str, expected: str) -> None:
    found = subject_of("{{ payable_amount }}", payable_amount=Decimal(amount), currency=currency)

    assert found.replace("\xa0", " ") == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [("380", "Invoice"), ("381", "Credit note"), ("384", "Corrected invoice"), ("71", "Invoice")],
    ids=["380", "381", "384", "71"],
)
def test_a_document_is_called_by_its_type(code: str, expected: str) -> None:
    assert subject_of("{{ document }}", type_code=code) == expected


def test_what_the_invoice_does_not_say_is_empty() -> None:
    source = "{{ number }}{% if due_date %} until {{ due_date }}{% endif %} {{ buyer_reference }}"

    assert subject_of(source, due_date=None, buyer_reference=None) == "2026-0042"
    assert subject_of(source, due_date=date(2027, 1, 2)) == "2026-0042 until 2 January 2027 PO 4711"


def test_filters_and_choices_do_what_they_say() -> None:
    source = (
        "{{ seller_name | upper }} {{ 'A' | lower }} {{ buyer_reference | default(number) }} "
        "{{ 'credit' if is_credit_note else 'debit' }} {{ currency ~ '!' }} "
        "{% if currency == 'EUR' and not is_credit_note %}x{% endif %}"
    )

    found = subject_of(source, seller_name="Straße", buyer_reference=None)

    assert found == "STRASSE a 2026-0042 debit EUR! x"


def test_a_credit_note_asks_for_no_payment() -> None:
    letter = write(builtin("en"), replace(SAMPLE, type_code="381"))

    assert "Amount credited: €1,190.00" in letter.text
    assert "pay" not in letter.text.lower()


def test_an_iban_is_written_in_groups_and_another_account_as_it_is() -> None:
    other = replace(SAMPLE, payment=replace(SAMPLE.payment, account="123-4 567"))
    template = Template("{{ iban }}", "text")

    assert write(template, SAMPLE).subject == "DE02 1203 0000 0000 2020 51"
    assert write(template, other).subject == "123-4 567"


def test_the_html_is_made_from_the_text() -> None:
    letter = write(Template("s", "A & B\nsecond\n\n\n<b>{{ buyer_name }}</b>"), SAMPLE)

    assert "A &amp; B<br>\nsecond</p>" in letter.html
    assert "&lt;b&gt;Sample Trading Ltd&lt;/b&gt;" in letter.html
    assert '<html lang="en" dir="ltr">' in letter.html


def test_an_html_of_its_own_takes_its_place() -> None:
    template = Template("s", "text", "<p style='color: red'>{{ number }}</p>")

    letter = write(template, SAMPLE)

    assert '<p style="color:red">2026-0042</p>' in letter.html
    assert letter.text == "text\n"


def test_lines_with_nothing_but_a_condition_leave_no_gap() -> None:
    template = Template("s", "a\n{% if tax_amount %}\nb\n{% endif %}\nc")

    assert write(template, SAMPLE).text == "a\nb\nc\n"
    assert write(template, replace(SAMPLE, tax_amount=None)).text == "a\nc\n"


def test_a_long_name_is_cut_in_the_subject_alone() -> None:
    letter = write(
        Template("{{ buyer_name }}", "{{ buyer_name }}"), replace(SAMPLE, buyer_name="n" * 300)
    )

    assert letter.subject == "n" * 249 + "…"
    assert letter.text == "n" * 300 + "\n"


def test_a_subject_that_would_be_empty_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="the subject is empty"):
        check(Template("{{ buyer_reference }}", "text"))
