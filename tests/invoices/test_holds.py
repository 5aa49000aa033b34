"""What is under legal hold stays, until somebody lifts that."""

import threading
from uuid import UUID

import pytest
from flask import Flask

from callbacks import retention as callback_retention
from core.audit.models import AuditEntry
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.errors import ConflictError, InputError, NotFoundError
from core.ids import new_id
from core.retention import kinds, running
from invoices.hold_models import LegalHold
from invoices.models import Document
from invoices.services import holds
from invoices.services.retention import DOCUMENT_KIND
from tests.callbacks.mail.test_understanding import report
from tests.callbacks.test_mails import FAILED, sender_of, take_in, to
from tests.support import ageing, desk
from tests.support.channel import FakeChannel
from tests.support.console import Console
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database

HOLDS = LegalHold.__table__
DOCUMENTS = Document.__table__
ADDRESS = "deliver@sandbox.example"


@pytest.fixture
def invoice_id(source: SourceWithKey) -> UUID:
    """An invoice that was handed over and has bounced, and so has had all there is."""
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())
    take_in(to(sender_of(desk.only(desk.DELIVERIES).id), report(FAILED)))
    return invoice_id


def hold(invoice_id: UUID) -> UUID:
    with unit_of_work() as connection:
        return holds.hold_invoice(connection, invoice_id, by="ann", reason="case 4711")


def hold_address(address: str) -> UUID:
    with unit_of_work() as connection:
        return holds.hold_address(connection, address, by="ann", reason="case 4711")


def lift(hold_id: UUID) -> None:
    with unit_of_work() as connection:
        holds.lift(connection, hold_id, by="bob", reason="settled")


def gone() -> dict[str, int]:
    """Purge all that belongs to invoices, and tell what went."""
    found = {kind.name: ageing.purge(kind).rows for kind in kinds.registered()}
    return {name: rows for name, rows in found.items() if rows and name != "audit"}


def test_nothing_of_a_held_invoice_goes(invoice_id: UUID) -> None:
    hold(invoice_id)

    with reading() as connection:
        survey = DOCUMENT_KIND.survey(connection, ageing.limits())
        mails = callback_retention.MAILS.survey(connection, ageing.limits())

    assert (survey.rows, survey.kept_back) == (0, {"legal hold": 1})
    assert mails.kept_back == {"legal hold": 1}
    assert gone() == {}


@pytest.mark.parametrize("given", [ADDRESS, "Deliver@SANDBOX.example "])
def test_a_hold_on_an_address_holds_what_goes_there(invoice_id: UUID, given: str) -> None:
    hold_address(given)

    assert gone() == {}


def test_a_hold_on_another_address_holds_nothing(invoice_id: UUID) -> None:
    hold_address("somebody@else.example")

    assert gone() == {"documents": 1, "mails": 1, "events": 3, "attempts": 1}


def test_it_holds_by_where_a_delivery_went_too(source: SourceWithKey) -> None:
    add_invoice(source, delivery={"to": "accounts@other.example"})
    ageing.settle()
    hold_address("accounts@other.example")

    assert gone() == {}


def test_a_lifted_hold_holds_nothing(invoice_id: UUID) -> None:
    lift(hold(invoice_id))

    assert gone()["documents"] == 1


def test_of_two_holds_each_is_enough(invoice_id: UUID) -> None:
    first, second = hold(invoice_id), hold_address(ADDRESS)
    lift(first)

    assert gone() == {}

    lift(second)
    assert gone()["documents"] == 1


def test_it_says_who_and_why_and_the_audit_does_too(invoice_id: UUID) -> None:
    hold_id = hold(invoice_id)
    lift(hold_id)

    row = desk.only(HOLDS)
    assert (row.placed_by, row.reason) == ("ann", "case 4711")
    assert (row.lifted_by, row.lift_reason) == ("bob", "settled")
    entries = [entry for entry in desk.rows(AuditEntry.__table__) if entry.kind == "legal_holds"]
    assert [entry.operation for entry in entries] == ["insert", "update"]
    assert [entry.reason for entry in entries] == ["case 4711", "settled"]


def test_what_is_held_is_not_held_twice(invoice_id: UUID) -> None:
    hold(invoice_id)
    hold_address(ADDRESS)

    with pytest.raises(ConflictError, match="already"):
        hold(invoice_id)
    with pytest.raises(ConflictError, match="already"):
        hold_address(ADDRESS)


def test_what_is_lifted_is_not_lifted_twice_and_may_be_held_again(invoice_id: UUID) -> None:
    hold_id = hold(invoice_id)
    lift(hold_id)

    with pytest.raises(ConflictError, match="bob"):
        lift(hold_id)
    hold(invoice_id)
    assert len(desk.rows(HOLDS)) == 2


def test_a_hold_needs_a_reason_and_something_to_hold(app: Flask) -> None:
    with pytest.raises(NotFoundError):
        hold(new_id())
    with pytest.raises(NotFoundError):
        lift(new_id())
    with pytest.raises(InputError):
        hold_address("no address")
    with pytest.raises(InputError), unit_of_work() as connection:
        holds.hold_address(connection, ADDRESS, by="ann", reason=" ")


def test_a_hold_that_comes_between_two_batches_is_heard(
    source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    from invoices.services import retention

    monkeypatch.setattr(retention, "PAGE", 1)
    ids = [add_invoice(source) for _ in range(3)]
    ageing.settle()

    def hold_last(rows: int, _bytes: int) -> None:
        if rows == 1:
            hold(ids[-1])

    running.purge(DOCUMENT_KIND, ageing.limits(), progress=hold_last)

    assert [bool(row.body) for row in desk.rows(DOCUMENTS)] == [False, False, True]


@pytest.mark.every_case
@pytest.mark.parametrize("what", ["invoice", "address"])
@pytest.mark.parametrize("kind", ["documents", "mails"])
def test_a_hold_waits_for_the_batch_that_is_under_way(
    app: Flask, invoice_id: UUID, kind: str, what: str
) -> None:
    """Once it is placed nothing goes any more, whatever a batch had looked at by then."""
    said: list[str] = []
    looked, may_end = threading.Event(), threading.Event()

    def batch() -> None:
        with app.app_context():
            held = running.taken()
            run_id = running.begun(kind, utcnow(), None)
            with unit_of_work() as connection:
                running.renewed(connection, held)
                kinds.get(kind).purge(connection, ageing.limits(), run_id, None)
                looked.set()
                may_end.wait(10)
                said.append("batch")

    def place() -> None:
        with app.app_context():
            hold(invoice_id) if what == "invoice" else hold_address(ADDRESS)
            said.append("hold")

    threads = [threading.Thread(target=batch), threading.Thread(target=place)]
    threads[0].start()
    assert looked.wait(10)
    threads[1].start()
    threads[1].join(0.5)
    may_end.set()
    for thread in threads:
        thread.join(20)

    assert said == ["batch", "hold"]


def test_commands_hold_list_and_lift(console: Console, invoice_id: UUID) -> None:
    held = console(
        "legal-hold", "add", "--invoice", invoice_id, "--reason", "case 4711", "--json"
    ).json()
    [row] = console("legal-hold", "list", "--json").json()
    assert (row["id"], row["invoice_id"]) == (held["id"], str(invoice_id))
    assert row["number"] == desk.only(desk.INVOICES).number

    assert console("legal-hold", "release", held["id"], "--reason", "settled").code == 0

    assert console("legal-hold", "list", "--json").json() == []
    [row] = console("legal-hold", "list", "--all", "--json").json()
    assert row["lift_reason"] == "settled"
    assert console("legal-hold", "release", held["id"], "--reason", "settled").code == 1


@pytest.mark.one_database
def test_a_command_holds_one_thing(console: Console) -> None:
    assert console("legal-hold", "add", "--reason", "x").code == 2
    both = ("--invoice", new_id(), "--address", ADDRESS)
    assert console("legal-hold", "add", *both, "--reason", "x").code == 2
    assert console("legal-hold", "add", "--address", ADDRESS).code == 2
