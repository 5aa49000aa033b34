"""The PDF by API and by command."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from core.ids import new_id
from tests.invoices.pdf.pages import whole_text
from tests.support.console import Console
from tests.support.factories import SourceWithKey, add_invoice

ROOT = "/api/v1/invoices"


@pytest.mark.every_database
def test_the_api_gives_it_to_keep(api: FlaskClient, source: SourceWithKey) -> None:
    invoice_id = add_invoice(source, number='A/1 "x"')

    answer = api.get(f"{ROOT}/{invoice_id}/pdf")

    assert answer.status_code == 200
    assert answer.content_type == "application/pdf"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="A_1_x_.pdf"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    shown = whole_text(answer.data)
    assert 'Invoice A/1 "x"' in shown
    assert "Grün AG" in shown


def test_the_api_gives_it_in_german(api: FlaskClient, source: SourceWithKey) -> None:
    answer = api.get(f"{ROOT}/{add_invoice(source)}/pdf?language=de")

    assert "Zahlbetrag" in whole_text(answer.data)


@pytest.mark.parametrize("query", ["language=fr", "language=", "lang=de"])
def test_the_api_takes_no_other_language(
    api: FlaskClient, source: SourceWithKey, query: str
) -> None:
    answer = api.get(f"{ROOT}/{add_invoice(source)}/pdf?{query}")

    assert answer.status_code == 422
    assert answer.get_json()["errors"]


def test_the_api_says_when_the_extra_is_missing(
    api: FlaskClient, source: SourceWithKey, without_typst: None
) -> None:
    answer = api.get(f"{ROOT}/{add_invoice(source)}/pdf")

    assert answer.status_code == 501
    assert answer.get_json()["type"] == "urn:kuvert:problem:not-installed"
    assert "requirements/pdf.txt" in answer.get_json()["detail"]


def test_the_command_writes_the_file_that_is_named(
    source: SourceWithKey, console: Console, tmp_path: Path
) -> None:
    path = tmp_path / "out.pdf"
    path.write_text("what was there")

    done = console("invoice", "pdf", add_invoice(source), "-o", path, "--language", "de")

    assert (done.code, done.out) == (0, f"{path}\n")
    assert "Rechnung" in whole_text(path.read_bytes())


def test_the_command_names_the_file_as_the_invoice_and_replaces_none(
    source: SourceWithKey, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    invoice_id = add_invoice(source, number="../A 1")

    first = console("invoice", "pdf", invoice_id)
    second = console("invoice", "pdf", invoice_id)

    assert (first.code, first.out) == (0, ".._A_1.pdf\n")
    assert [path.name for path in tmp_path.iterdir()] == [".._A_1.pdf"]
    assert second.code == 1
    assert "there already" in second.err


def test_the_command_says_why_it_cannot(
    source: SourceWithKey, console: Console, tmp_path: Path
) -> None:
    absent = console("invoice", "pdf", new_id(), "-o", tmp_path / "x.pdf")
    nowhere = console("invoice", "pdf", add_invoice(source), "-o", tmp_path / "no" / "x.pdf")

    assert absent.code == 1
    assert "nothing with this id" in absent.err
    assert nowhere.code == 1
    assert "No such file or directory" in nowhere.err
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_when_the_extra_is_missing(
    source: SourceWithKey, console: Console, without_typst: None
) -> None:
    done = console("invoice", "pdf", add_invoice(source))

    assert done.code == 1
    assert "requirements/pdf.txt" in done.err
