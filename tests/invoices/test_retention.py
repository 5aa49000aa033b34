"""Documents go when their time is over; what tells a repeat, and history, stays."""

import json
import threading
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from core.clock import utcnow
from core.db import reading, unit_of_work
from core.errors import ConflictError, GoneError
from core.retention.kinds import Limits
from core.retention.models import RetentionRun
from invoices.models import Document
from invoices.schemas import read_json_invoice
from invoices.services import actions, intake, retention
from invoices.services.actions import Order
from invoices.services.intake import Accepted
from status.models import Cause
from tests.support import ageing, desk
from tests.support.channel import FakeChannel
from tests.support.factories import SourceWithKey, add_invoice, invoice_json

pytestmark = pytest.mark.every_database

DOCUMENTS = Document.__table__
KIND = retention.DOCUMENT_KIND
ROOT = "/api/v1/invoices"
ORDER = Order(reason="asked for", actor="ann", cause=Cause.STAFF)


@pytest.fixture
def purged(source: SourceWithKey) -> UUID:
    """An invoice that was delivered, and whose document is gone."""
    invoice_id = add_invoice(source)
    ageing.settle()
    ageing.purge(KIND)
    return invoice_id


def test_the_bytes_go_and_what_they_were_stays(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    before = desk.only(DOCUMENTS)
    ageing.settle()

    tally = ageing.purge(KIND)

    after = desk.only(DOCUMENTS)
    assert (tally.rows, tally.bytes, tally.is_whole) == (1, before.size, True)
    assert (after.body, after.size, after.sha256) == (b"", before.size, before.sha256)
    assert after.purged_at is not None
    assert [event.to_status for event in desk.history_of(invoice_id)] == ["ready"]
    assert desk.only(desk.INVOICES).payable_amount == 119


@pytest.mark.parametrize("status", ["held", "ready", "sending", "retry_wait", "unknown"])
def test_what_is_not_final_stays(source: SourceWithKey, status: str) -> None:
    add_invoice(source)
    ageing.settle(status)

    with reading() as connection:
        survey = KIND.survey(connection, ageing.limits())
    tally = ageing.purge(KIND)

    assert (survey.rows, survey.kept_back) == (0, {"not final": 1})
    assert tally.rows == 0
    assert desk.only(DOCUMENTS).body


def test_what_somebody_may_still_look_at_stays(source: SourceWithKey) -> None:
    add_invoice(source)
    ageing.settle()
    desk.add_delivery(desk.only(desk.INVOICES).id, state="ready", due_at=utcnow())

    assert ageing.purge(KIND).rows == 0


def test_what_changed_lately_stays_whatever_its_age(source: SourceWithKey) -> None:
    add_invoice(source)
    ageing.settle()
    limits = Limits(
        before_at=utcnow() + timedelta(days=1), quiet_since=utcnow() - timedelta(days=1)
    )

    with reading() as connection:
        survey = KIND.survey(connection, limits)

    assert survey.kept_back == {"changed in the last 30 days": 1}


def test_what_is_young_stays(source: SourceWithKey) -> None:
    add_invoice(source)
    ageing.settle()

    with reading() as connection:
        survey = KIND.survey(connection, Limits.of(30))

    assert (survey.rows, survey.kept_back) == (0, {})


def test_fewer_than_thirty_days_are_no_limit() -> None:
    with pytest.raises(ValueError, match="30 days"):
        Limits.of(29)


def test_a_survey_tells_what_would_go_and_changes_nothing(source: SourceWithKey) -> None:
    for _ in range(3):
        add_invoice(source)
    ageing.settle()

    with reading() as connection:
        survey = KIND.survey(connection, ageing.limits())

    created = [row.created_at for row in desk.rows(desk.INVOICES)]
    assert (survey.rows, survey.oldest_at, survey.newest_at) == (3, min(created), max(created))
    assert survey.bytes == sum(row.size for row in desk.rows(DOCUMENTS))
    assert all(row.body for row in desk.rows(DOCUMENTS))


def test_the_same_invoice_handed_in_again_is_a_repeat(source: SourceWithKey) -> None:
    """The worst would be to send it again."""
    body = json.dumps(invoice_json(number="R-1", external_id="E-1")).encode()
    first = take(source, body)
    ageing.settle()
    ageing.purge(KIND)

    again = take(source, body)

    assert (again.id, again.is_new, again.status) == (first.id, False, "delivered")
    assert [row.due_at for row in desk.rows(desk.DELIVERIES)] == [None]


def test_another_document_under_the_same_number_is_still_a_conflict(source: SourceWithKey) -> None:
    take(source, json.dumps(invoice_json(number="R-1")).encode())
    ageing.settle()
    ageing.purge(KIND)

    with pytest.raises(ConflictError, match="another document"):
        take(source, json.dumps(invoice_json(number="R-1", due_date="2027-01-01")).encode())


def take(source: SourceWithKey, body: bytes) -> Accepted:
    with unit_of_work() as connection:
        return intake.accept(connection, source.id, source.environment, read_json_invoice(body))


def test_it_cannot_be_sent_again(purged: UUID) -> None:
    with pytest.raises(GoneError, match="removed by retention"), unit_of_work() as connection:
        actions.resend(connection, purged, ORDER, confirm=True)

    assert len(desk.rows(desk.DELIVERIES)) == 1


def test_of_a_purge_and_a_resend_at_once_one_wins(
    app: Flask, source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each document is there and due once more, or gone and nobody is to send it."""
    monkeypatch.setattr(retention, "PAGE", 2)
    ids = [add_invoice(source) for _ in range(12)]
    ageing.settle()
    start = threading.Barrier(3)
    refused: list[UUID] = []

    def send_again(mine: list[UUID]) -> None:
        with app.app_context():
            start.wait(10)
            for invoice_id in mine:
                try:
                    with unit_of_work() as connection:
                        actions.resend(connection, invoice_id, ORDER, confirm=True)
                except GoneError:
                    refused.append(invoice_id)

    def purge() -> None:
        with app.app_context():
            start.wait(10)
            ageing.purge(KIND)

    works = (purge, partial(send_again, ids[:5:-1]), partial(send_again, ids[:6]))
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    emptied = {row.invoice_id for row in desk.rows(DOCUMENTS) if not row.body}
    due = {row.invoice_id for row in desk.rows(desk.DELIVERIES) if row.due_at is not None}
    assert emptied == set(refused)
    assert due == set(ids) - emptied


def test_an_empty_document_is_never_handed_over(purged: UUID) -> None:
    """Nobody can ask for it; somebody who writes into the table by hand still could."""
    desk.change(desk.DELIVERIES, state="ready", due_at=utcnow())
    desk.change(desk.INVOICES, status="ready")
    channel = FakeChannel()

    desk.send(channel)

    assert channel.seen == []
    assert desk.status_of(purged) == "held"
    delivery = desk.only(desk.DELIVERIES)
    assert (delivery.due_at, delivery.lease_token, delivery.attempt_count) == (None, None, 0)
    assert "removed by retention" in delivery.reason
    assert desk.rows(desk.ATTEMPTS) == []


def test_the_api_says_that_it_is_gone(api: FlaskClient, purged: UUID) -> None:
    sha256 = desk.only(DOCUMENTS).sha256
    for part in ("document", "pdf"):
        answer = api.get(f"{ROOT}/{purged}/{part}")

        assert answer.status_code == 410, part
        problem = answer.get_json()
        assert problem["type"].endswith("gone")
        assert "removed by retention on 2" in problem["detail"]
        assert sha256 in problem["detail"]


def test_the_invoice_itself_is_still_told(api: FlaskClient, purged: UUID) -> None:
    answer = api.get(f"{ROOT}/{purged}").get_json()

    assert answer["status"] == "delivered"
    assert answer["payable_amount"] == "119.00"
    assert answer["buyer"]["name"] == "Grün AG"
    assert answer["document_removed_at"]
    assert api.get(f"{ROOT}/{purged}/history").get_json()["items"]


def test_a_second_run_finds_nothing(purged: UUID) -> None:
    assert ageing.purge(KIND).rows == 0


def test_a_run_goes_page_by_page_over_what_stays(
    source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGE", 2)
    ids = [add_invoice(source) for _ in range(7)]
    ageing.settle()
    with unit_of_work() as connection:
        stays = update(desk.INVOICES).where(desk.INVOICES.c.id.in_(ids[:2]))
        connection.execute(stays.values(status="unknown"))

    tally = ageing.purge(KIND)

    assert (tally.rows, tally.is_whole) == (5, True)
    kept = {row.invoice_id for row in desk.rows(DOCUMENTS) if row.body}
    assert kept == set(ids[:2])


def test_each_run_is_written_down(purged: UUID) -> None:
    run = desk.only(RetentionRun.__table__)

    assert (run.kind, run.state, run.row_count) == ("documents", "done", 1)
    assert run.byte_count == desk.only(DOCUMENTS).size
    assert run.result.startswith("1 rows, ")
    assert run.finished_at is not None
