"""A person goes from everything; numbers, amounts, dates, statuses and history stay."""

import json
import subprocess
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, make_url

from callbacks import erasing, inbox
from core.audit.models import AuditEntry
from core.clock import utcnow
from core.db import database, unit_of_work
from core.errors import ConflictError, InputError
from core.ids import new_id
from core.people import services as people
from core.retention import pseudonyms
from core.retention.models import RetentionRun
from core.settings import current
from invoices.models import Document
from invoices.services import holds, suppressions
from invoices.services.suppressions import Bounce
from invoices.suppression_models import Suppression
from status.models import Push, Subscription
from tests.callbacks import calling
from tests.callbacks.mail.test_understanding import block, report
from tests.callbacks.test_mails import sender_of, take_in, to
from tests.support import desk
from tests.support.channel import FakeChannel, answer
from tests.support.console import Console
from tests.support.factories import (
    SourceWithKey,
    add_invoice,
    add_source,
    add_subscription,
    client_of,
    invoice_json,
)

pytestmark = pytest.mark.every_database

ADDRESS = "anna.svensson@privat.example"
NAME = "Anna Åkesdotter"
OTHER = "susanna.svensson@privat.example"
BUYER = {
    "name": NAME,
    "id": "19800101-1234",
    "email": "Anna.Svensson@privat.example",
    "address": "Storgatan 1, Lund",
}
PUSHES = Push.__table__
SUBSCRIPTIONS = Subscription.__table__
DOCUMENTS = Document.__table__
SUPPRESSIONS = Suppression.__table__
RUNS = RetentionRun.__table__
SECRETS = (ADDRESS, "Åkesdotter", "19800101-1234", "Storgatan")
"""What must not stand in a copy of the database afterwards."""


def erase(address: str = ADDRESS, **given: object) -> erasing.Erased:
    words = {"name": NAME, "reason": f"asked for by {ADDRESS}", **given}
    return erasing.erase(address, **words)  # type: ignore[arg-type]


@pytest.fixture
def billing(app: Flask, monkeypatch: pytest.MonkeyPatch) -> SourceWithKey:
    """A source whose provider calls back, with a subscriber."""
    inbox._senders.clear()
    monkeypatch.setenv(calling.SECRET_NAME, calling.SECRET)
    calling.add_provider("acme")
    source = add_source("billing", provider="acme")
    add_subscription(source)
    return source


@pytest.fixture
def anna(client: FlaskClient, billing: SourceWithKey) -> UUID:
    """An invoice of a person, who stands in every table that can have words about her."""
    invoice_id = add_invoice(
        billing,
        number="2026-4711",
        buyer=BUYER,
        buyer_reference="Anna's order",
        delivery={"to": ADDRESS},
        labels={"contact": ADDRESS},
    )
    desk.send(FakeChannel(answer(202, json.dumps({"id": "ref-1", "to": ADDRESS}).encode())))
    delivery_id = desk.only(desk.DELIVERIES).id
    calling.call(client, "acme", calling.said("ref-1", detail=f"{ADDRESS} has it"))
    calling.work()
    bounce = block(ADDRESS, "failed", "5.1.1", f"550 5.1.1 <{ADDRESS.upper()}> unknown")
    take_in(to(sender_of(delivery_id), report(bounce)))
    with unit_of_work() as connection:
        why = f"{ADDRESS} has complained"
        connection.execute(
            insert(AuditEntry.__table__), [audit_entry(f"{ADDRESS} was here", {"to": [ADDRESS]})]
        )
        connection.execute(desk.DELIVERIES.update().values(reason=why))
    desk.change(PUSHES, state="delivered", due_at=None, finished_at=utcnow())
    return invoice_id


def audit_entry(label: str, after: dict[str, object]) -> dict[str, object]:
    """A row of the audit in which somebody may stand."""
    return {
        "id": new_id(),
        "at": utcnow(),
        "actor": "ann",
        "reason": label,
        "request_id": None,
        "operation": "update",
        "kind": "schedules",
        "row_id": "1",
        "label": label,
        "before": {},
        "after": after,
    }


def facts() -> list[tuple[object, ...]]:
    """What must be as it was."""
    invoices = [
        (
            *(row.id, row.number, row.payable_amount, row.tax_amount, row.currency),
            *(row.issue_date, row.due_date, row.status, row.status_sequence, row.created_at),
        )
        for row in desk.rows(desk.INVOICES)
    ]
    events = [
        (row.id, row.sequence, row.from_status, row.to_status, row.occurred_at, row.delivery_id)
        for row in desk.rows(desk.EVENTS)
    ]
    attempts = [(row.id, row.outcome, row.http_status) for row in desk.rows(desk.ATTEMPTS)]
    documents = [(row.id, row.sha256, row.size) for row in desk.rows(DOCUMENTS)]
    return [*invoices, *events, *attempts, *documents]


def dump(url: str, folder: Path) -> bytes:
    """Copy the whole database out of the engine, by its own means."""
    parts = make_url(url)
    if parts.get_backend_name() == "sqlite":
        database().close()
        path = Path(str(parts.database))
        beside = (path.with_name(path.name + ending) for ending in ("", "-wal", "-journal"))
        return b"".join(one.read_bytes() for one in beside if one.exists())
    name, host = str(parts.database), str(parts.host)
    command = {
        "postgresql": ["pg_dump", "-h", host, "-U", "root", "--inserts", name],
        "mysql": ["mysqldump", "-h", host, "-uroot", "--skip-extended-insert", name],
    }[parts.get_backend_name()]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def found(content: bytes) -> list[str]:
    """Return which of the secrets stand in a dump: as text, in JSON, or as bytes in hex."""
    low = content.lower()
    escaped = content.decode("utf-8", "replace").casefold()
    forms = {
        secret: (secret.lower().encode(), secret.encode().hex().encode()) for secret in SECRETS
    }
    return [
        secret
        for secret, (plain, hexadecimal) in forms.items()
        if plain in low
        or hexadecimal in low
        or secret.casefold() in escaped
        or json.dumps(secret)[1:-1].casefold() in escaped
    ]


def test_no_copy_of_the_database_names_her_afterwards(
    anna: UUID, database_url: str, tmp_path: Path
) -> None:
    assert found(dump(database_url, tmp_path)) == list(SECRETS)
    before = facts()

    erased = erase()

    assert erased.left == {}
    assert found(dump(database_url, tmp_path)) == []
    assert facts() == before


def test_a_pseudonym_stands_in_her_place_everywhere(anna: UUID) -> None:
    erased = erase()

    invoice, delivery = desk.only(desk.INVOICES), desk.only(desk.DELIVERIES)
    stands = f"{erased.pseudonym}@erased.invalid"
    assert erased.pseudonym.startswith("erased-")
    assert (invoice.buyer_name, invoice.buyer_email) == (erased.pseudonym, stands)
    assert (invoice.buyer_id, invoice.buyer_address, invoice.buyer_reference) == (None, None, None)
    assert invoice.labels == {"contact": stands}
    assert invoice.erased_at is not None
    assert (delivery.recipient, delivery.reason) == (stands, f"{stands} has complained")
    assert erased.changed["invoices"] == erased.changed["deliveries"] == 1
    assert erased.changed["callbacks"] == 2
    assert {"status_events", "pushes", "suppressions", "audit_entries"} <= set(erased.changed)


def test_the_same_person_is_the_same_pseudonym(billing: SourceWithKey) -> None:
    pseudonyms_of_two = []
    for _ in range(2):
        add_invoice(billing, buyer=BUYER)
        finish()
        pseudonyms_of_two.append(erase().pseudonym)

    assert len(set(pseudonyms_of_two)) == 1
    assert len({row.buyer_email for row in desk.rows(desk.INVOICES)}) == 1


def finish() -> None:
    """Let everything have come to an end."""
    ended = {"due_at": None, "lease_token": None}
    desk.change(desk.DELIVERIES, state="delivered", **ended)
    desk.change(desk.INVOICES, status="delivered")
    desk.change(PUSHES, state="delivered", finished_at=utcnow(), **ended)


def test_others_keep_what_they_have(anna: UUID, billing: SourceWithKey) -> None:
    """Her address is a part of another's."""
    add_invoice(billing, number="2026-9", buyer={"name": "Susanna", "email": OTHER})
    finish()
    desk.change(desk.DELIVERIES, reason=f"to {OTHER}, and not to {ADDRESS}.")

    erase()

    stands = pseudonyms.address_of(current().secret_key, ADDRESS)
    other = desk.rows(desk.INVOICES)[1]
    assert (other.buyer_name, other.buyer_email, other.erased_at) == ("Susanna", OTHER, None)
    assert desk.rows(DOCUMENTS)[1].body
    assert desk.rows(desk.DELIVERIES)[1].recipient == OTHER
    assert desk.rows(desk.DELIVERIES)[1].reason == f"to {OTHER}, and not to {stands}."


def test_what_was_sent_to_her_for_another_loses_her_address_alone(billing: SourceWithKey) -> None:
    add_invoice(billing, buyer={"name": "Grün AG", "email": "office@gruen.example"})
    finish()
    with unit_of_work() as connection:
        row = dict(desk.only(desk.DELIVERIES)._mapping)
        row |= {"id": new_id(), "recipient": ADDRESS, "origin": "resend"}
        connection.execute(insert(desk.DELIVERIES).values(row))

    erase()

    invoice = desk.only(desk.INVOICES)
    assert (invoice.buyer_name, invoice.erased_at) == ("Grün AG", None)
    assert desk.only(DOCUMENTS).body
    first, second = desk.rows(desk.DELIVERIES)
    assert first.recipient == "office@gruen.example"
    assert pseudonyms.is_one(second.recipient)


def test_the_same_invoice_handed_in_again_is_a_repeat(app: Flask, billing: SourceWithKey) -> None:
    api = client_of(app, billing.key)
    body = invoice_json(number="2026-4711", buyer=BUYER, external_id="E-1")
    first = api.post("/api/v1/invoices", json=body)
    finish()
    erase()

    again = api.post("/api/v1/invoices", json=body)

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.get_json()["id"] == first.get_json()["id"]
    assert len(desk.rows(desk.DELIVERIES)) == 1
    shown = api.get(f"/api/v1/invoices/{first.get_json()['id']}")
    assert ADDRESS not in shown.text.lower()
    assert shown.get_json()["payable_amount"] == "119.00"


def test_a_repeat_of_her_callback_applies_nothing(client: FlaskClient, anna: UUID) -> None:
    erase()
    body = calling.said("ref-1", detail=f"{ADDRESS} has it")
    told = desk.path_of(anna)

    calling.call(client, "acme", body)
    calling.work()

    assert desk.path_of(anna)[: len(told)] == told
    assert desk.status_of(anna) == told[-1]


def test_a_suppressed_address_is_still_not_written_to(anna: UUID, billing: SourceWithKey) -> None:
    erase()
    assert ADDRESS not in desk.only(SUPPRESSIONS).address

    again = add_invoice(billing, buyer=BUYER)
    channel = FakeChannel()
    desk.send(channel)

    assert channel.seen == []
    assert desk.status_of(again) == "held"
    note = str(desk.history_of(again)[-1].note)
    assert "is suppressed" in note

    with unit_of_work() as connection:
        assert suppressions.release(connection, ADDRESS, None, by="ann", reason="new contract") == 1


def test_a_second_erasure_keeps_one_suppression(anna: UUID, billing: SourceWithKey) -> None:
    erase()
    with unit_of_work() as connection:
        suppressions.release(connection, ADDRESS, None, by="ann", reason="new contract")
    again = add_invoice(billing, buyer=BUYER)
    desk.send(FakeChannel())
    [delivery_id] = [row.id for row in desk.rows(desk.DELIVERIES) if row.invoice_id == again]
    with unit_of_work() as connection:
        bounce = Bounce(delivery_id=delivery_id, is_hard=True, reason="gone again")
        suppressions.record(connection, [bounce])
    finish()

    erase()

    assert desk.only(SUPPRESSIONS).reason == "gone again"


# ---- refused


def refusal() -> str:
    with pytest.raises(ConflictError) as caught:
        erase()
    return caught.value.detail


def test_what_is_under_legal_hold_is_refused_and_named(anna: UUID) -> None:
    with unit_of_work() as connection:
        holds.hold_invoice(connection, anna, by="ann", reason="case 4711")

    assert refusal() == (
        f"nothing was erased, for 1 invoices must stay: 2026-4711 ({anna}): legal hold"
    )
    assert desk.only(desk.INVOICES).buyer_name == NAME
    assert desk.rows(RUNS) == []


def test_an_address_under_hold_is_refused_without_any_invoice(billing: SourceWithKey) -> None:
    with unit_of_work() as connection:
        holds.hold_address(connection, ADDRESS, by="ann", reason="case 4711")

    assert "under legal hold" in refusal()


@pytest.mark.parametrize("status", ["held", "ready", "unknown"])
def test_what_is_not_final_is_refused(anna: UUID, status: str) -> None:
    desk.change(desk.INVOICES, status=status)

    assert "2026-4711" in refusal()
    assert "not final" in refusal()


def test_what_a_subscriber_is_not_told_yet_is_refused(anna: UUID) -> None:
    desk.change(PUSHES, state="parked")

    assert "a subscriber is not told yet" in refusal()


def test_a_callback_that_is_still_looked_at_is_refused(client: FlaskClient, anna: UUID) -> None:
    calling.call(client, "acme", calling.said("of nobody", detail=ADDRESS))

    assert "still looked at" in refusal()


def test_staff_are_not_erased(anna: UUID) -> None:
    with unit_of_work() as connection:
        people.add(connection, ADDRESS, "viewer", "a long pass phrase of tests")

    assert "staff" in refusal()


def test_what_is_configured_is_told_and_stays(anna: UUID) -> None:
    subscription = desk.only(SUBSCRIPTIONS)
    desk.change(SUBSCRIPTIONS, state_reason=f"{ADDRESS} asked for it")

    erased = erase()

    assert erased.left == {"subscriptions": 1}
    assert subscription.id == desk.only(SUBSCRIPTIONS).id


@pytest.mark.parametrize(
    ("address", "given"),
    [("nobody", {}), (ADDRESS, {"reason": " "}), (ADDRESS, {"name": "Ann"})],
    ids=["address", "reason", "name"],
)
def test_what_would_hit_anybody_is_refused(
    app: Flask, address: str, given: dict[str, object]
) -> None:
    with pytest.raises(InputError):
        erase(address, **given)


# ---- the run, and the command


def test_a_failure_in_the_middle_changes_nothing(
    anna: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(erasing, "_end", fails)
    with pytest.raises(KeyboardInterrupt):
        erase()

    assert desk.only(desk.INVOICES).buyer_name == NAME
    assert desk.only(DOCUMENTS).body
    assert desk.rows(RUNS) == []
    monkeypatch.undo()
    assert erase().changed["invoices"] == 1


def test_it_is_written_down_without_the_person(anna: UUID) -> None:
    erased = erase()

    run = desk.only(RUNS)
    assert (run.kind, run.state) == ("erasure", "done")
    assert run.reason == f"asked for by {erased.pseudonym}@erased.invalid"
    assert run.result.startswith(erased.pseudonym)


def test_a_dry_run_tells_and_changes_nothing(console: Console, anna: UUID) -> None:
    given = ("--address", ADDRESS, "--name", NAME, "--reason", "asked for")
    told = console("erase", *given, "--dry-run", "--json").json()

    assert told["changed"]["invoices"] == 1
    assert told["changed"]["callbacks"] == 2
    assert desk.only(desk.INVOICES).buyer_name == NAME
    assert desk.rows(RUNS) == []

    assert console("erase", *given, "--yes", "--json").json() == told
    assert desk.only(desk.INVOICES).buyer_name == told["pseudonym"]


def test_an_address_that_nobody_knows_erases_nothing(console: Console, app: Flask) -> None:
    done = console("erase", "--address", "nobody@x.example", "--reason", "asked for", "--yes")

    assert (done.code, "nothing is known" in done.err) == (0, True)
    assert desk.rows(RUNS) == []
