"""Pausing all that goes out: who honours it, and what comes in all the same."""

import pytest
from celery import Celery
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from callbacks.mailbox import reading as mailbox
from core import audit, pauses, pump
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.errors import ConflictError, InputError
from core.ids import new_id
from core.pump import Limits
from core.queues import TaskName
from invoices import tasks
from invoices.services import report_mails
from status import tasks as status_tasks
from tests.support import desk
from tests.support.console import Console
from tests.support.desk import DELIVERIES, LEASE
from tests.support.factories import SourceWithKey, add_invoice, invoice_json


def pause(reason: str = "looking") -> None:
    with unit_of_work() as connection:
        pauses.pause(connection, reason)


def resume() -> None:
    with unit_of_work() as connection:
        pauses.resume(connection, "looked")


@pytest.mark.every_database
@pytest.mark.parametrize(
    "one", [tasks.DELIVERIES, tasks.BULK_ACTS, status_tasks.PUSHES], ids=lambda one: str(one.pump)
)
def test_a_pump_of_what_goes_out_claims_nothing(
    app: Flask, source: SourceWithKey, one: pump.Pump
) -> None:
    add_invoice(source)
    pause()

    said = pump.run(one, Celery(broker="memory://"), Limits(window=100, lease=LEASE))

    assert said == "dispatch is paused"
    assert desk.only(DELIVERIES).lease_token is None


@pytest.mark.every_database
def test_nobody_rings_for_what_stands_still(app: Flask, source: SourceWithKey) -> None:
    add_invoice(source)
    assert TaskName.GET_ACTIVE_INVOICES in pump.due_pumps(utcnow())
    pause()

    assert pump.due_pumps(utcnow()) == []

    resume()
    assert TaskName.GET_ACTIVE_INVOICES in pump.due_pumps(utcnow())


@pytest.mark.every_database
def test_a_message_from_before_is_put_back(app: Flask, source: SourceWithKey) -> None:
    """It may have waited in the broker since before a restore."""
    add_invoice(source)
    token = new_id()
    desk.change(DELIVERIES, lease_token=token, due_at=utcnow() + LEASE)
    pause()

    count = tasks.send_invoice(str(token), [str(desk.only(DELIVERIES).id)])

    assert count == 0
    row = desk.only(DELIVERIES)
    assert (row.state, row.lease_token, row.due_at <= utcnow()) == ("ready", None, True)


def test_a_bare_id_is_not_claimed(app: Flask, source: SourceWithKey) -> None:
    add_invoice(source)
    pause()

    assert tasks.send_invoice(str(desk.only(DELIVERIES).id)) == 0
    assert desk.only(DELIVERIES).lease_token is None


def test_the_mailbox_is_not_read(app: Flask) -> None:
    pause()

    # Nobody listens there: a run that tried would raise.
    assert str(mailbox.check("imap://ann:x@127.0.0.1:9")) == "not read: dispatch is paused"


def test_no_report_is_mailed(app: Flask) -> None:
    pause()

    assert "not mailed: dispatch is paused" in tasks.get_total_invoices()
    with unit_of_work() as connection:
        assert report_mails.claim(connection) is None
        assert report_mails.newest(connection, None) == []


def test_invoices_are_taken_in_all_the_same(api: FlaskClient) -> None:
    pause()

    assert api.post("/api/v1/invoices", json=invoice_json()).status_code == 202
    assert desk.only(DELIVERIES).state == "ready"


def test_readyz_stays_ready_and_says_it(app: Flask, client: FlaskClient) -> None:
    before = client.get("/readyz")
    pause("the owner said so")

    after = client.get("/readyz")

    assert after.status_code == before.status_code == 200, before.json
    assert '"state":"paused"' in after.text
    assert "owner" not in after.text


@pytest.mark.every_database
def test_pausing_and_resuming_are_in_the_audit(app: Flask) -> None:
    pause("looking")
    resume()

    with reading() as connection:
        found = audit.search(connection, audit.Filter(kind="dispatch_pauses"))
    assert [(row.operation, row.reason) for row in found] == [
        ("update", "looked"),
        ("insert", "looking"),
    ]


def test_what_runs_is_not_resumed_and_what_stands_is_not_paused(app: Flask) -> None:
    with unit_of_work() as connection, pytest.raises(ConflictError):
        pauses.resume(connection, "why")
    pause()
    with unit_of_work() as connection, pytest.raises(ConflictError):
        pauses.pause(connection, "again")
    with unit_of_work() as connection, pytest.raises(InputError):
        pauses.resume(connection, " ")


def test_a_backup_that_was_taken_during_a_pause_leaves_two_which_end_as_one(app: Flask) -> None:
    taken_at = utcnow()
    pause()
    with unit_of_work() as connection:
        pauses.pause(connection, "restored", restored_from=taken_at)
        lasting = pauses.current(connection)
    assert lasting is not None
    assert (lasting.reason, lasting.restored_from) == ("restored", taken_at)

    resume()

    with reading() as connection:
        assert not pauses.is_paused(connection)
        count = select(pauses.PAUSES.c.id).where(pauses.PAUSES.c.resume_reason == "looked")
        assert len(connection.execute(count).all()) == 2


def test_every_command_says_it(console: Console) -> None:
    assert console("source", "list").err == "Nothing to list.\n"
    pause("looking")

    assert "Note: dispatch is paused since" in console("source", "list").err
