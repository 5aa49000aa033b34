"""What somebody puts into an invoice to break its PDF is shown as the text it is."""

import json
import logging
import re
from decimal import Decimal

import pytest
import typst

from core.errors import InputError, KuvertError
from invoices.pdf.forms import printable
from tests.invoices.json_samples import a_line
from tests.invoices.pdf.pages import of_xml, printed, squeezed, texts, whole_text
from tests.invoices.xml_samples import a_ubl, changed
from tests.support.data import missing, shared_data

MARKUP = (
    '#read("/etc/passwd")',
    '#import "@preview/example:0.1.0": *',
    "#panic()",
    "#sys.inputs",
    "$x^2$",
    "\\ \\u{41} \\#",
    "@reference <label>",
    "*bold* _slanted_ `raw`",
    "= heading",
    "// comment /* comment */",
    "] [ } { ) (",
    "~ --- ...",
    '"; "quoted',
)


def of_descriptions(*descriptions: str) -> bytes:
    count = len(descriptions)
    lines = [a_line(description=description) for description in descriptions]
    return printed(lines=lines, tax_amount=f"{25 * count}.00", payable_amount=f"{125 * count}.00")


def test_markup_is_text() -> None:
    shown = squeezed(whole_text(of_descriptions(*MARKUP)))

    assert [text for text in MARKUP if squeezed(text) not in shown] == []


def test_markup_is_text_wherever_it_stands() -> None:
    shown = squeezed(
        whole_text(
            printed(
                number="#panic()",
                buyer_reference="$#",
                seller={"name": "#seller[", "id": "#id", "email": "a@example.com"},
                buyer={"name": "*buyer*", "id": "#b", "address": "#read(\n\\x"},
            )
        )
    )

    for text in ("#panic()", "$#", "#seller[", "#id", "*buyer*", "#b", "#read(", "\\x"):
        assert text in shown


def test_naughty_strings_are_set() -> None:
    strings = [
        re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", json.loads(line)["text"]).strip()
        for line in (shared_data() / "strings" / "naughty.jsonl").read_text().splitlines()
    ]
    strings = [text[:1000] for text in strings if text]
    assert len(strings) > 250

    shown = squeezed(whole_text(of_descriptions(*strings)))

    plain = [squeezed(text) for text in strings if text.isascii()]
    assert len(plain) > 150
    assert [text for text in plain if text not in shown] == []


def test_what_turns_the_direction_of_writing_shows_itself() -> None:
    shown = whole_text(printed(buyer={"name": "Good \u202e 00.1 RUE \u2066 name"}))

    assert "Good \\u202e 00.1 RUE \\u2066 name" in shown


def test_marks_piled_up_do_not_cover_other_lines() -> None:
    assert printable("Z" + "\u0300\u0317" * 100 + " Ltd") == "Z" + "\u0300\u0317" * 3 + " Ltd"
    assert printable("\u05d1\u05bc\u05b0\u05e8") == "\u05d1\u05bc\u05b0\u05e8"


@pytest.mark.parametrize("name", ["W" * 300, "x" * 300, "wide and " * 33, "Ω" * 300], ids="abcd")
def test_the_longest_name_is_whole(name: str) -> None:
    document = printed(
        seller={"name": name}, buyer={"name": name}, lines=[a_line(description=name)]
    )

    assert squeezed(whole_text(document)).count(squeezed(name)) >= 3


def test_the_largest_amounts_are_whole() -> None:
    line = a_line(quantity="999999999999", unit_price="1", net_amount="999999999999", tax_rate=None)

    shown = squeezed(
        whole_text(
            printed(currency="JPY", lines=[line], tax_amount=None, payable_amount="999999999999")
        )
    )

    assert "Amountdue999,999,999,999JPY" in shown
    # Quantity, net amount and four totals.
    assert shown.count("999,999,999,999") == 6


def test_figures_are_never_rounded() -> None:
    exact = "1234567890123456789012345678.123456789"
    body = changed(a_ubl(), ">100<", f">{exact}<")

    shown = squeezed(whole_text(of_xml(body)))

    assert f"{Decimal(exact):,f}" in shown


def test_a_figure_that_is_none_stays_the_text_it_is() -> None:
    body = changed(a_ubl(), ">100<", ">a hundred<").replace(b"2026-12-22", b"on Monday")

    shown = squeezed(whole_text(of_xml(body)))

    assert "ahundred" in shown
    assert "onMonday" in shown


def test_three_hundred_lines_go_over_pages_and_each_has_its_head() -> None:
    pages = texts(of_descriptions(*(f"Item {number} of many" for number in range(300))))

    count = len(pages)
    assert count > 5
    shown = " ".join(pages)
    assert all(f"Item {number} of many" in shown for number in range(300))
    for number, page in enumerate(pages, 1):
        assert f"Page {number} of {count}" in page
        assert ("Unit price" in page) == ("of many" in page)
    assert shown.count("Amount due") == 1


@pytest.mark.parametrize("line_count", range(16, 30))
def test_the_totals_stay_together(line_count: int) -> None:
    pages = texts(of_descriptions(*(["Consulting"] * line_count)))

    (page,) = [page for page in pages if "Sum of lines" in page]
    assert "Amount due" in page


def test_an_invoice_without_lines_says_so() -> None:
    body = re.sub(r"<cac:InvoiceLine>.*</cac:InvoiceLine>", "", a_ubl(), flags=re.DOTALL)

    shown = whole_text(of_xml(body))

    assert "The invoice has no lines." in shown
    assert "Amount due 177.50 EUR" in shown


def test_more_text_than_a_worker_bears_is_refused() -> None:
    note = "<cbc:Note>" + "a\n" * 100_000 + "</cbc:Note><cbc:ID>U-1<"

    with pytest.raises(InputError, match="too much text"):
        of_xml(changed(a_ubl(), "<cbc:ID>U-1<", note))


def test_a_panic_of_typst_is_an_error_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def panics(*_: object, **__: object) -> bytes:
        # No memory has room for such a picture, and typst panics at it: pyo3's BaseException.
        wide = b"#set page(width: 100000000000pt, height: 1pt, margin: 0pt)"
        return real(wide, format="png", ppi=1.0)

    real = typst.compile
    monkeypatch.setattr(typst, "compile", panics)

    with pytest.raises(KuvertError, match="it panicked"):
        printed()


def test_a_character_without_a_font_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    # Unicode has assigned nothing to it, so no font has it.
    with caplog.at_level(logging.WARNING):
        shown = whole_text(printed(buyer={"name": "Secret \u0378 Ltd"}))

    assert "Boxes stand for characters without a font." in shown
    assert "Amount due" in shown
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Secret" not in caplog.text


def test_an_ordinary_invoice_is_made_to_be_kept(caplog: pytest.LogCaptureFixture) -> None:
    document = printed(buyer={"name": "Ärger & Öl, Łódź, Ελλάδα, Київ, שלום"})

    assert b"<pdfaid:part>2</pdfaid:part>" in document
    assert caplog.records == []


@pytest.mark.parametrize(
    ("text", "families"),
    [
        ("شركة المثال للتجارة", {"Noto Sans Arabic", "DejaVu Sans"}),
        ("株式会社サンプル 你好", {"Noto Sans CJK SC", "Droid Sans Fallback"}),
    ],
    ids=["Arabic", "Chinese and Japanese"],
)
def test_with_the_fonts_of_the_docs_no_box_stands_for_a_letter(
    caplog: pytest.LogCaptureFixture, text: str, families: set[str]
) -> None:
    if not families & set(typst.Fonts().families()):
        missing(f"a font of {' or '.join(sorted(families))}", "make services")

    document = printed(buyer={"name": text})

    assert b"<pdfaid:part>2</pdfaid:part>" in document
    assert caplog.records == []
