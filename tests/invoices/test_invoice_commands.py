"""`manage.py invoice`, `report` and `provider test`: as staff use them."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from core.db import unit_of_work
from core.ids import new_id
from core.settings import current
from invoices import setup
from invoices.probing import _envelope
from invoices.schemas import read_json_invoice
from invoices.services.totals import REPORTS
from invoices.setup import NewProvider
from tests.support import desk
from tests.support.channel import FakeChannel, answer
from tests.support.console import Console
from tests.support.factories import SourceWithKey, add_invoice, add_source
from tests.support.receiver import Receiver

every_database = pytest.mark.every_database


def numbers(console: Console, *args: str) -> list[str]:
    return [row["number"] for row in console("invoice", "list", "--json", *args).json()]


@every_database
def test_invoices_are_listed_newest_first_over_all_sources(
    source: SourceWithKey, console: Console
) -> None:
    add_invoice(source, number="A")
    add_invoice(add_source("shop"), number="B")

    assert numbers(console) == ["B", "A"]
    assert numbers(console, "--source", "shop") == ["B"]
    assert numbers(console, "--number", "A") == ["A"]
    assert numbers(console, "--limit", "1") == ["B"]


def test_the_filters_are_those_of_the_api(source: SourceWithKey, console: Console) -> None:
    add_invoice(source, number="A", external_id="E", labels={"team": "north"}, currency="SEK")
    add_invoice(source, number="B", send_at="2099-01-01T00:00:00Z", due_date="2027-01-01")

    assert numbers(console, "--external-id", "E") == ["A"]
    assert numbers(console, "--label", "team:north") == ["A"]
    assert numbers(console, "--currency", "SEK", "--buyer", "grün") == ["A"]
    assert numbers(console, "--due-from", "2027-01-01") == ["B"]
    assert numbers(console, "--created-to", "2020-01-01T00:00:00Z") == []
    assert numbers(console, "--status", "ready", "--status", "held") == ["B", "A"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--status", "lost"], "one of held"),
        (["--currency", "XYZ"], "currency"),
        (["--label", "x"], "key:value"),
        (["--due-from", "soon"], "YYYY-MM-DD"),
        (["--limit", "0"], "range"),
    ],
)
def test_a_filter_that_cannot_be_read_is_wrong_use(
    console: Console, args: list[str], words: str
) -> None:
    done = console("invoice", "list", *args)

    assert done.code == 2
    assert words in done.err


@every_database
def test_an_invoice_is_shown_with_all_that_was_done(
    source: SourceWithKey, console: Console
) -> None:
    invoice_id = add_invoice(source, number="R1")
    desk.send(FakeChannel(answer(503, b"busy"), answer(202)))
    desk.due()
    desk.send(FakeChannel())

    shown = console("invoice", "show", invoice_id, "--json").json()
    text = console("invoice", "show", invoice_id).out

    assert (shown["number"], shown["status"]) == ("R1", "sent")
    assert [part["state"] for part in shown["deliveries"]] == ["sent"]
    assert [part["outcome"] for part in shown["attempts"]] == ["temporary", "accepted"]
    assert all(word in text for word in ("R1", "deliveries:", "attempts:", "busy"))


@every_database
def test_the_history_is_shown_in_order(source: SourceWithKey, console: Console) -> None:
    invoice_id = add_invoice(source)
    console("invoice", "hold", invoice_id, "--reason", "wait a bit")

    shown = console("invoice", "history", invoice_id, "--json").json()
    text = console("invoice", "history", invoice_id).out

    assert [row["status"] for row in shown] == ["ready", "held"]
    assert shown[1]["detail"] == "wait a bit"
    assert shown[1]["cause"] == "staff"
    assert "command line, " in text


@every_database
def test_each_verb_does_what_the_api_does(source: SourceWithKey, console: Console) -> None:
    invoice_id = add_invoice(source)
    why = ("--reason", "because", "--json")

    def stands(*args: object) -> str:
        return str(console("invoice", *args, *why).json()["status"])

    assert stands("hold", invoice_id) == "held"
    assert stands("release", invoice_id, "--to", "slow@sandbox.example") == "ready"
    desk.send(FakeChannel())
    refused = console("invoice", "resend", invoice_id, *why)
    assert (refused.code, refused.err) == (
        1,
        "Error: the invoice is sent; confirm that it shall go out twice: --confirm\n",
    )
    assert stands("resend", invoice_id, "--confirm") == "ready"
    desk.change(desk.INVOICES, status="unknown")
    assert stands("reconcile", invoice_id, "--status", "delivered") == "delivered"
    other = add_invoice(source)
    assert stands("cancel", other) == "cancelled"


def test_a_letter_is_looked_at_by_number_and_in_another_language(
    source: SourceWithKey, console: Console
) -> None:
    number = str(console("invoice", "show", add_invoice(source), "--json").json()["number"])

    usual = console("letter", "preview", number, "--json").json()
    german = console("letter", "preview", number, "--language", "de", "--json").json()

    assert number in usual["subject"]
    assert number in german["subject"]
    assert german["subject"].startswith("Rechnung")


def test_a_state_that_forbids_it_is_named(source: SourceWithKey, console: Console) -> None:
    invoice_id = add_invoice(source)

    done = console("invoice", "release", invoice_id, "--reason", "x")

    assert done.code == 1
    assert done.err == (
        "Error: the invoice is ready and cannot be released; only one that is held can\n"
    )


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["show", "x"], 2, "not a valid UUID"),
        (["show", str(new_id())], 1, "nothing with this id"),
        (["history", str(new_id())], 1, "nothing with this id"),
        (["cancel", str(new_id()), "--reason", "x"], 1, "There is nothing with this id"),
        (["cancel", str(new_id())], 2, "Missing option '--reason'"),
        (["cancel", str(new_id()), "--reason", "a\nb"], 2, "control characters"),
        (["cancel", str(new_id()), "--reason", ""], 2, "reason"),
        (["reconcile", str(new_id()), "--status", "x", "--reason", "x"], 2, "one of delivered"),
        (["resend", str(new_id()), "--reason", "x", "--to", "a b"], 2, "e-mail address"),
    ],
)
def test_wrong_use_is_told(console: Console, args: list[str], code: int, words: str) -> None:
    done = console("invoice", *args)

    assert done.code == code
    assert words in done.err


# Reports


@every_database
def test_a_week_that_is_over_is_added_up_and_kept(source: SourceWithKey, console: Console) -> None:
    shown = console("report", "totals", "--week", "2026-W40", "--json").json()

    assert (shown["week"], shown["is_final"], shown["totals"]) == ("2026-W40", True, [])
    add_invoice(source)
    desk.change(desk.INVOICES, created_at=datetime(2026, 10, 1, tzinfo=UTC))

    [total] = console("report", "totals", "--week", "2026-W40", "--json").json()["totals"]

    assert (total["source"], total["payable_amount"]) == ("erp", "119.00")
    assert [row.week for row in desk.rows(REPORTS)] == ["2026-W40"]


def test_a_week_that_is_not_over_is_only_shown(source: SourceWithKey, console: Console) -> None:
    add_invoice(source)
    year, week, _ = desk.only(desk.INVOICES).created_at.isocalendar()

    done = console("report", "totals", "--week", f"{year}-W{week:02}")

    assert "not final" in done.err
    assert "119.00" in done.out
    assert desk.rows(REPORTS) == []


def test_without_a_week_it_is_the_last_that_is_over(console: Console) -> None:
    assert console("report", "totals", "--json").json()["is_final"] is True


def test_what_is_no_week_is_wrong_use(console: Console) -> None:
    done = console("report", "totals", "--week", "now")

    assert done.code == 2
    assert "write it as 2026-W47" in done.err


# Trying a provider out


def add_provider(url: str) -> None:
    with unit_of_work() as connection:
        new = NewProvider(code="acme", channel="http", url=url)
        setup.add_provider(connection, new, settings=current())


def test_a_provider_is_tried_with_a_document_that_is_marked(console: Console) -> None:
    with Receiver((201,)) as receiver:
        add_provider(receiver.url)
        done = console("provider", "test", "acme", "--to", "me@example.com", "--json")
        [received] = receiver.wait_for(1)

    document = json.loads(received.body)
    assert done.json()["outcome"] == "accepted"
    assert received.headers["kuvert-test"] == "1"
    assert received.headers["kuvert-recipient"] == "me@example.com"
    assert received.headers["kuvert-invoice-number"] == document["number"]
    assert document["number"].startswith("KUVERT-TEST-")
    assert UUID(received.headers["idempotency-key"]).version == 7
    assert "no invoice" in document["lines"][0]["description"]
    assert document["payable_amount"] == "0.00"
    assert desk.rows(desk.INVOICES) == desk.rows(desk.ATTEMPTS) == []


def test_what_is_sent_as_a_test_is_well_formed() -> None:
    assert read_json_invoice(_envelope("me@example.com").body).payable_amount == 0


@pytest.mark.parametrize("status", [401, 422, 503, 302])
def test_a_provider_that_does_not_accept_is_a_failure(console: Console, status: int) -> None:
    with Receiver((status,)) as receiver:
        add_provider(receiver.url)
        done = console("provider", "test", "acme")

    assert done.code == 1
    assert str(status) in done.out


def test_a_provider_that_is_not_there_is_a_failure(console: Console) -> None:
    add_provider("http://127.0.0.1:9/x")

    assert console("provider", "test", "acme").code == 1
    assert console("provider", "test", "nobody").code == 1
