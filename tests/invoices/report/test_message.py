"""The weekly report as a mail: what it says, in each of its forms."""

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from email.message import EmailMessage
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from core.web import settings
from invoices.report import message
from invoices.services.totals import Week
from tests.invoices.report.weeks import BEFORE, WEEK, accepted, kept, read
from tests.support.factories import SourceWithKey, add_source

KINDS = ["text/plain", "text/html", "text/html", "text/csv"]


def mailed(week: Week = WEEK) -> EmailMessage:
    """Return the report as a reader gets it."""
    raw = message.build(read(week), settings()).as_bytes()
    return message_from_bytes(raw, policy=policy.default)


def words(week: Week = WEEK) -> str:
    body = mailed(week).get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def html(week: Week = WEEK) -> str:
    body = mailed(week).get_body(("html",))
    assert body is not None
    return str(body.get_content())


def table(week: Week = WEEK) -> list[dict[str, str]]:
    [_, attached] = mailed(week).iter_attachments()
    text = attached.get_content()
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.mark.every_database
def test_the_sums_are_those_of_the_invoices(source: SourceWithKey) -> None:
    other = add_source("shop")
    for amount, status in (("100.10", "delivered"), ("50.05", "failed"), ("7.00", "ready")):
        accepted(source, amount, status=status)
    accepted(other, "3000", currency="JPY", status="sent")
    accepted(source, "80.00", week=BEFORE, status="delivered")
    accepted(source, "20.00", week=BEFORE, status="held")

    found = read()

    euro, yen = found.currencies
    assert (found.count, found.count_before) == (4, 2)
    assert (euro.code, euro.all.now.count, euro.all.now.amount) == ("EUR", 3, Decimal("157.15"))
    assert euro.all.change == Decimal("57.15")
    assert euro.undelivered.now.amount == Decimal("57.05")
    assert euro.undelivered.before.amount == Decimal("20.00")
    assert euro.stuck.now.amount == Decimal("50.05")
    assert list(euro.statuses) == ["held", "ready", "delivered", "failed"]
    assert list(euro.weeks) == [f"2026-W{number}" for number in range(41, 47)]
    assert [week.amount for week in euro.weeks.values()][-2:] == [Decimal(100), Decimal("157.15")]
    assert (yen.code, yen.undelivered.now.count) == ("JPY", 0)


def test_what_was_kept_is_what_is_said(source: SourceWithKey) -> None:
    accepted(source, "10.00", status="sent")
    kept()
    accepted(source, "90.00", status="sent")

    assert read().currencies[0].all.now.amount == Decimal("10.00")


def test_it_has_its_parts_in_the_order_that_readers_want(source: SourceWithKey) -> None:
    accepted(source, "10.00")

    whole = mailed()

    assert [part.get_content_type() for part in whole.walk() if not part.is_multipart()] == KINDS
    assert [part.get_filename() for part in whole.iter_attachments()] == [
        "kuvert-2026-W46.html",
        "kuvert-2026-W46.csv",
    ]
    assert whole["Subject"] == "[development] Kuvert 2026-W46: 1 invoice, 10.00 EUR"


def test_text_and_html_and_csv_say_the_same_numbers(source: SourceWithKey) -> None:
    accepted(source, "1234.50", status="delivered")
    accepted(source, "99.90", status="undeliverable")
    accepted(source, "1000.00", week=BEFORE, status="delivered")

    for form in (words(), re.sub(r"<[^>]+>", " ", html())):
        flat = " ".join(form.split())
        assert "1,334.40 EUR to pay" in flat
        assert "+334.40 (+33 %)" in flat
        assert "99.90 EUR in 1" in flat
        assert "1,234.50" in flat
    names = ("status", "payable_amount", "payable_amount_change")
    assert [tuple(row[name] for name in names) for row in table()] == [
        ("delivered", "1234.50", "234.50"),
        ("undeliverable", "99.90", "99.90"),
    ]  # fmt: skip


def test_a_group_that_is_gone_is_still_compared(source: SourceWithKey) -> None:
    accepted(source, "5.00", week=BEFORE, status="held")
    accepted(source, "5.00", status="delivered")

    gone = next(row for row in table() if row["status"] == "held")

    assert (gone["invoice_count"], gone["payable_amount_before"]) == ("0", "5.00")
    assert gone["payable_amount_change"] == "-5.00"
    assert "as the week before" in words()


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+1", " -1"])
def test_a_source_called_like_a_formula_is_not_run_by_a_spreadsheet(app: Flask, name: str) -> None:
    accepted(add_source(name.strip()), "1.00")

    assert table()[0]["source"] == "'" + name.strip()


def test_a_source_called_like_markup_is_text(app: Flask) -> None:
    accepted(add_source("<script>alert(1)</script>"), "1.00")

    assert "<script" not in html()
    assert "&lt;script&gt;" in html()


def test_nothing_is_fetched_and_nothing_runs(source: SourceWithKey) -> None:
    accepted(source, "1.00")

    page = html()

    assert re.search(r"<(script|img|link|iframe|object|video|form)|url\(|@import", page) is None
    assert re.findall(r'(?:src|href)="([^"]+)"', page) == [
        f"{settings().desk_url}/admin/report/?week=2026-W46"
    ]


def test_a_credit_note_is_seen_to_be_one(source: SourceWithKey) -> None:
    accepted(source, "-12.00")

    assert "\N{MINUS SIGN}12.00 EUR to pay" in words()
    assert table()[0]["payable_amount"] == "-12.00"


def test_a_week_without_invoices_says_so(app: Flask) -> None:
    assert "No invoice was accepted in this week" in words()
    assert "No invoice was accepted in this week" in html()
    assert table() == []
    assert mailed()["Subject"] == "[development] Kuvert 2026-W46: 0 invoices"


def test_times_are_in_the_zone_and_name_it(source: SourceWithKey) -> None:
    week = Week.named("2026-W43", ZoneInfo("Europe/Berlin"))

    said = words(week)

    assert "2026-10-19 00:00:00 CEST to 2026-10-25 23:59:59 CET, zone Europe/Berlin" in said


def test_the_first_week_of_a_year_is_compared_with_the_last_of_the_one_before(app: Flask) -> None:
    found = read(Week.named("2027-W01", ZoneInfo("America/New_York")))

    assert found.before.name == "2026-W53"
    assert found.week.start - found.before.start == timedelta(days=7)


def test_a_long_list_is_cut_in_the_mail_and_whole_in_the_csv(app: Flask) -> None:
    for number in range(43):
        accepted(add_source(f"s{number:02}"), "1.00")

    assert len(table()) == 43
    assert "3 more lines" in html()
    assert len(html()) < 60_000
