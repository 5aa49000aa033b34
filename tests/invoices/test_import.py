"""`manage.py invoice import`: all of a run or nothing, named by file and row (L18)."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from invoices import files, importing
from invoices.models import Document
from invoices.samples import samples
from invoices.schemas import QueryOptions
from tests.support import desk
from tests.support.console import Console, Done
from tests.support.factories import SourceWithKey, add_source, invoice_json

DOCUMENTS = Document.__table__
every_database = pytest.mark.every_database


def write(folder: Path, name: str, *bodies: object) -> Path:
    """Write one JSON document per line."""
    path = folder / name
    path.write_text("".join(f"{json.dumps(body)}\n" for body in bodies), "utf-8")
    return path


def import_(console: Console, *args: object) -> Done:
    return console("invoice", "import", "--source", "erp", *args)


def results(done: Done) -> list[str]:
    return [line["result"] for line in done.lines()]


def bad() -> dict[str, Any]:
    return invoice_json(payable_amount="1.00")


def many(count: int) -> Iterable[dict[str, Any]]:
    return (invoice_json() for _ in range(count))


@every_database
def test_files_of_each_kind_are_taken_in(
    source: SourceWithKey, console: Console, tmp_path: Path
) -> None:
    xml = next(item for item in samples("run") if item.media_type == "application/xml")
    (tmp_path / "a.xml").write_bytes(xml.document)
    paths = [
        write(tmp_path, "one.json", invoice_json()),
        tmp_path / "a.xml",
        write(tmp_path, "some.ndjson", *many(3)),
        write(tmp_path, "array.json", list(many(2))),
    ]

    done = import_(console, *paths, "--json")

    lines = done.lines()
    assert done.code == 0
    assert [Path(line["file"]).name for line in lines] == [
        "one.json", "a.xml", *["some.ndjson"] * 3, *["array.json"] * 2,
    ]  # fmt: skip
    assert [line["row"] for line in lines] == [None, None, 1, 2, 3, 1, 2]
    assert set(results(done)) == {"accepted"}
    stored = {str(row.id): row.number for row in desk.rows(desk.INVOICES)}
    assert {line["id"]: line["number"] for line in lines} == stored
    assert done.err == "7 taken in\n"


@every_database
def test_one_bad_row_of_many_stores_none(
    source: SourceWithKey, console: Console, tmp_path: Path
) -> None:
    """L18."""
    path = write(tmp_path, "a.ndjson", *many(5), bad(), *many(4))

    done = import_(console, path)

    assert done.code == 1
    assert done.out == ""
    first, last = done.err.splitlines()
    assert first.startswith(f"{path} row 6: ")
    assert "payable_amount" in first
    assert last == "Nothing was stored: 9 not stored, 1 bad"
    assert desk.rows(desk.INVOICES) == []


@every_database
def test_what_only_the_database_knows_to_be_bad_stores_none_either(
    source: SourceWithKey, console: Console, tmp_path: Path
) -> None:
    known = invoice_json()
    import_(console, write(tmp_path, "known.ndjson", known))
    other = known | {"buyer": {"name": "Rot AG"}}
    path = write(tmp_path, "a.ndjson", *many(2), known, other, *many(2))

    done = import_(console, path, "--json")

    assert done.code == 1
    assert results(done) == [
        "not_stored", "not_stored", "already_here", "bad", "not_stored", "not_stored",
    ]  # fmt: skip
    assert "id" not in done.lines()[0]
    assert "differs in buyer" in done.lines()[3]["problem"]["detail"]
    assert len(desk.rows(desk.INVOICES)) == len(desk.rows(desk.EVENTS)) == 1


def test_two_of_a_run_with_one_number_are_told_by_file_and_row(
    source: SourceWithKey, console: Console, tmp_path: Path
) -> None:
    first = invoice_json()
    other = first | {"buyer": {"name": "Rot AG"}}
    path = write(tmp_path, "a.ndjson", *many(1), first, other)

    done = import_(console, path)

    told = f"invoice {first['number']} is in {path} row 2 too, with another document"
    assert done.err.splitlines()[0].startswith(f"{path} row 3: {told}: differs in buyer")
    assert "already here" not in done.err


@every_database
def test_the_good_ones_go_in_when_that_is_asked_for(
    source: SourceWithKey, console: Console, tmp_path: Path
) -> None:
    path = write(tmp_path, "a.ndjson", *many(2), bad(), *many(2))

    done = import_(console, path, "--skip-bad", "--json")

    assert done.code == 1
    assert results(done) == ["accepted", "accepted", "bad", "accepted", "accepted"]
    assert done.err == "4 taken in, 1 bad\n"
    assert len(desk.rows(desk.INVOICES)) == 4


def test_the_same_again_is_no_failure(
    source: SourceWithKey, console: Console, tmp_path: Path
) -> None:
    path = write(tmp_path, "a.ndjson", *many(3))
    first = import_(console, path, "--json")

    again = import_(console, path, "--json")

    assert again.code == 0
    assert results(again) == ["already_here"] * 3
    assert [line["id"] for line in again.lines()] == [line["id"] for line in first.lines()]


def test_lines_for_people_say_what_became_of_each(
    source: SourceWithKey, console: Console, tmp_path: Path
) -> None:
    path = write(tmp_path, "a.ndjson", invoice_json(number="R1"))

    first, again = import_(console, path), import_(console, path)

    invoice_id = desk.only(desk.INVOICES).id
    assert first.out == f"{path} row 1: R1 taken in as {invoice_id}, ready\n"
    assert again.out == f"{path} row 1: R1 already here as {invoice_id}, ready\n"


def test_several_batches_are_one_run(
    source: SourceWithKey, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 2)
    known = invoice_json()
    import_(console, write(tmp_path, "known.ndjson", known))
    path = write(tmp_path, "a.ndjson", *many(5), known | {"buyer": {"name": "Rot AG"}})

    assert import_(console, path).code == 1
    assert len(desk.rows(desk.INVOICES)) == 1

    assert import_(console, path, "--skip-bad").code == 1
    assert len(desk.rows(desk.INVOICES)) == 6


def test_a_line_is_stored_byte_for_byte(
    source: SourceWithKey, console: Console, tmp_path: Path
) -> None:
    body = json.dumps(invoice_json(), ensure_ascii=False, indent=None).encode()
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\xef\xbb\xbf" + body + b" \r\n\n  \n")

    done = import_(console, path, "--json")

    assert done.code == 0
    assert desk.only(DOCUMENTS).body == body


def test_what_the_command_says_goes_before_what_the_document_says(
    source: SourceWithKey, console: Console, tmp_path: Path
) -> None:
    add_source(provider="sandbox-2")
    body = invoice_json(delivery={"provider": "sandbox", "to": "slow@sandbox.example"})
    path = write(tmp_path, "a.json", body)

    import_(console, path, "--provider", "sandbox-2", "--to", "bounce@sandbox.example")

    codes = {row.id: row.code for row in desk.rows(desk.PROVIDERS)}
    delivery = desk.only(desk.DELIVERIES)
    assert codes[delivery.provider_id] == "sandbox-2"
    assert delivery.recipient == "bounce@sandbox.example"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"", "the file is empty"),
        ("a.json", b" \n", "the file is empty"),
        ("a.ndjson", b"\n\n", "the file is empty"),
        ("a.json", b"[]", "the array is empty"),
        ("a.json", b"{", "Not valid JSON"),
        ("a.json", b"[{]", "Not valid JSON"),
        ("a.json", b"\xff", "not UTF-8"),
        ("a.xml", b"<a/>", "is not an invoice format"),
        ("a.xml", b"<a", "/"),
        ("a.bin", b"\x89PNG", "Body is not UTF-8"),
        ("a.json", b'"text"', "Expected an object"),
    ],
)
def test_a_file_that_is_no_invoice_is_named(
    source: SourceWithKey,
    console: Console,
    tmp_path: Path,
    *,
    name: str,
    content: bytes,
    words: str,
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    done = import_(console, path)

    assert done.code == 1
    assert done.err.startswith(f"{path}: ")
    assert words in done.err
    assert "1 bad" in done.err


def test_what_is_too_long_is_passed_over_and_the_rest_read(
    source: SourceWithKey, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGEST", 2_000)
    lines = write(tmp_path, "a.ndjson", invoice_json(), "x" * 7_000, invoice_json())
    whole = write(tmp_path, "b.json", "x" * 7_000)

    done = import_(console, lines, whole, "--skip-bad", "--json")

    assert results(done) == ["accepted", "bad", "accepted", "bad"]
    assert [line["row"] for line in done.lines()] == [1, 2, 3, None]


def test_only_one_document_is_held_at_a_time(tmp_path: Path) -> None:
    path = write(tmp_path, "a.ndjson", *many(50))

    items = files.read_files([path], QueryOptions())

    assert next(items).row == 1
    assert sum(item.size for item in items) < path.stat().st_size


def test_control_characters_in_names_do_not_reach_the_terminal(
    source: SourceWithKey, console: Console, tmp_path: Path
) -> None:
    path = tmp_path / "a\x1b[31m.json"
    path.write_bytes(b"{")

    assert "\x1b" not in import_(console, path).err


# Wrong use


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--source", "erp"], 2, "Missing argument"),
        (["--source", "nobody", "FILE"], 1, "No source is called nobody"),
        (["--source", "erp", "--provider", "nobody", "FILE"], 1, "No provider has the code"),
        (["--source", "erp", "--to", "a b", "FILE"], 2, "not an e-mail address"),
        (["--source", "erp", "absent.json"], 2, "does not exist"),
        (["FILE"], 2, "Missing option '--source'"),
    ],
)
def test_wrong_use_is_told(
    source: SourceWithKey,
    console: Console,
    tmp_path: Path,
    *,
    args: list[str],
    code: int,
    words: str,
) -> None:
    path = str(write(tmp_path, "a.json", invoice_json()))

    done = console("invoice", "import", *[path if arg == "FILE" else arg for arg in args])

    assert done.code == code
    assert words in done.err
    assert desk.rows(desk.INVOICES) == []


def test_a_disabled_source_takes_nothing_in(
    app: Flask, source: SourceWithKey, console: Console, tmp_path: Path
) -> None:
    assert console("source", "disable", "erp").code == 0

    done = import_(console, write(tmp_path, "a.json", invoice_json()))

    assert (done.code, done.err) == (1, "Error: The source erp is disabled\n")
