"""What a PDF costs, beside what typst takes for a blank page and for our sheet alone."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import count

import typst

from invoices import pdf
from invoices.pdf import from_json, typesetting
from invoices.pdf.sheet import lay_out
from invoices.schemas import check_json_invoice
from tests.benchmarks.kuvert import Desk
from tests.benchmarks.report import Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage

COUNT, ROUNDS = 10, 15
_FEW = 20
_numbers: Iterator[int] = count()


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Make PDFs of invoices of 3, 20 and 300 lines, each with a number of its own.

    typst keeps what it has set before, so nothing is set twice.
    """
    return [row for lines in (3, _FEW, 300) for row in _compare(lines)]


def _compare(lines: int) -> list[Row]:
    ours, sheet, blank = in_turns(
        lambda: _milliseconds(lambda: pdf.make(_invoice(lines), "application/json")),
        lambda: _milliseconds(_setting(lines)),
        lambda: _milliseconds(_blank),
        rounds=ROUNDS,
    )
    name = f"a PDF of {lines} lines"
    own = Row(name=name, ours=ours, other=sheet, against="typst, the same sheet", unit="ms")
    if lines > _FEW:
        # Whatever comes next pays for clearing up, so a blank page would seem slow.
        return [own]
    return [Row(name=name, ours=ours, other=blank, against="typst, blank page", unit="ms"), own]


def _setting(lines: int) -> Callable[[], bytes]:
    """Return what sets a sheet that was laid out before."""
    sheets = iter(
        [lay_out(from_json.read(check_json_invoice(_invoice(lines))), "en") for _ in range(COUNT)]
    )
    return lambda: typesetting.typeset(next(sheets), None)


def _blank() -> bytes:
    source = f'#set page(paper: "a4")\n// {next(_numbers)}'.encode()
    return typst.compile(source, font_paths=typesetting.fonts(), pdf_standards="a-2u")


def _invoice(lines: int) -> bytes:
    number = next(_numbers)
    line = {"quantity": "2", "unit_price": "50.00", "net_amount": "100.00", "tax_rate": "25"}
    invoice = {
        "number": f"B-{number}",
        "issue_date": "2026-11-22",
        "due_date": "2026-12-22",
        "currency": "EUR",
        "seller": {"name": "Seller GmbH", "id": "DE123456789"},
        "buyer": {"name": f"Buyer {number} AB", "address": "Way 1\n12345 Town"},
        "lines": [{**line, "description": f"Item {number}-{at}"} for at in range(lines)],
        "tax_amount": f"{25 * lines}.00",
        "payable_amount": f"{125 * lines}.00",
    }
    return json.dumps(invoice).encode()


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(COUNT):
        work()
    return (time.perf_counter() - began) / COUNT * 1e3
