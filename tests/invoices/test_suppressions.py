"""Addresses that bounced: what goes to them is held and says why."""

from datetime import timedelta
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from core.clock import utcnow
from core.db import reading, unit_of_work
from core.errors import InputError, NotFoundError
from invoices import suppression_queries
from invoices.services import actions, suppressions
from invoices.services.actions import Order
from invoices.services.suppressions import Bounce
from invoices.suppression_models import Suppression
from status.models import Cause
from tests.support import desk
from tests.support.channel import FakeChannel
from tests.support.console import Console
from tests.support.factories import SourceWithKey, add_invoice, add_source

pytestmark = pytest.mark.every_database

SUPPRESSIONS = Suppression.__table__
ADDRESS = "deliver@sandbox.example"


def sent(source: SourceWithKey) -> UUID:
    """An invoice that was handed over; returns its delivery."""
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())
    mine = [row.id for row in desk.rows(desk.DELIVERIES) if row.invoice_id == invoice_id]
    return UUID(str(mine[0]))


def bounce(delivery_id: UUID, *, is_hard: bool = True, times: int = 1) -> None:
    """Let a delivery bounce."""
    reason = "bounced (hard, 5.1.1): no such mailbox"
    one = Bounce(delivery_id=delivery_id, is_hard=is_hard, reason=reason)
    with unit_of_work() as connection:
        suppressions.record(connection, [one] * times)


def active() -> list[str]:
    with reading() as connection:
        return [row.address for row in suppression_queries.active(connection, None, None, 100)]


def test_a_hard_bounce_suppresses_at_once(source: SourceWithKey) -> None:
    bounce(sent(source))

    assert active() == [ADDRESS]


def test_what_goes_there_is_held_and_says_why(source: SourceWithKey) -> None:
    bounce(sent(source))
    invoice_id = add_invoice(source)
    channel = FakeChannel()

    desk.send(channel)

    assert channel.seen == []
    assert desk.path_of(invoice_id) == ["ready", "held"]
    note = str(desk.history_of(invoice_id)[-1].note)
    assert note.startswith(f"{ADDRESS} is suppressed until 20")
    assert "no such mailbox" in note
    held = desk.rows(desk.DELIVERIES)[-1]
    assert (held.state, held.due_at, held.lease_token) == ("held", None, None)
    assert held.reason == note


def test_what_goes_elsewhere_is_sent(source: SourceWithKey) -> None:
    bounce(sent(source))
    other = {"provider": "sandbox", "to": "other@sandbox.example"}
    invoice_id = add_invoice(source, delivery=other)

    desk.send(FakeChannel())

    assert desk.status_of(invoice_id) == "sent"


def test_a_held_one_can_be_sent_to_another_address(source: SourceWithKey) -> None:
    bounce(sent(source))
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())

    with unit_of_work() as connection:
        order = Order(actor="ann", cause=Cause.STAFF, reason="a better address")
        actions.release(connection, invoice_id, order, to="other@sandbox.example")
    desk.send(FakeChannel())

    assert desk.status_of(invoice_id) == "sent"


def test_the_case_of_an_address_does_not_matter(source: SourceWithKey) -> None:
    bounce(sent(source))
    invoice_id = add_invoice(source, delivery={"provider": "sandbox", "to": ADDRESS.upper()})

    desk.send(FakeChannel())

    assert desk.status_of(invoice_id) == "held"


def test_soft_bounces_suppress_after_the_third(source: SourceWithKey) -> None:
    delivery_id = sent(source)

    bounce(delivery_id, is_hard=False, times=2)
    assert active() == []
    bounce(delivery_id, is_hard=False)

    assert active() == [ADDRESS]
    assert str(desk.only(SUPPRESSIONS).reason).startswith("3 soft bounces, last: ")


def test_soft_bounces_of_long_ago_do_not_count(source: SourceWithKey) -> None:
    delivery_id = sent(source)
    bounce(delivery_id, is_hard=False, times=2)
    desk.change(SUPPRESSIONS, soft_since=utcnow() - timedelta(days=15))

    bounce(delivery_id, is_hard=False)

    assert active() == []


def test_a_suppression_ends_by_itself(source: SourceWithKey) -> None:
    bounce(sent(source))
    desk.change(SUPPRESSIONS, expires_at=utcnow() - timedelta(seconds=1))
    invoice_id = add_invoice(source)

    desk.send(FakeChannel())

    assert active() == []
    assert desk.status_of(invoice_id) == "sent"


def test_another_source_is_not_concerned(source: SourceWithKey) -> None:
    bounce(sent(source))
    invoice_id = add_invoice(add_source("other"))

    desk.send(FakeChannel())

    assert desk.status_of(invoice_id) == "sent"


def test_a_release_lets_mail_go_again(source: SourceWithKey, console: Console) -> None:
    bounce(sent(source))

    done = console("suppression", "release", ADDRESS.upper(), "--reason", "mended")

    assert done.code == 0, done.err
    assert active() == []
    row = desk.only(SUPPRESSIONS)
    assert (row.release_reason, bool(row.released_by)) == ("mended", True)
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())
    assert desk.status_of(invoice_id) == "sent"


def test_an_address_is_added_at_the_command_line(
    source: SourceWithKey, api: FlaskClient, console: Console
) -> None:
    options = ("--source", source.name, "--reason", "they told us")

    done = console("suppression", "add", ADDRESS, *options, "--until", "2999-01-31")
    again = console("suppression", "add", ADDRESS, *options)
    endless = console("suppression", "add", "other@example.com", *options)

    assert done.code == endless.code == 0, done.err
    assert again.code == 1
    assert f"{ADDRESS} is suppressed already" in again.err
    first, second = api.get("/api/v1/suppressions").get_json()["items"]
    assert (first["verdict"], first["expires_at"]) == ("by_hand", "2999-01-31T00:00:00Z")
    assert (second["address"], second["expires_at"]) == ("other@example.com", None)


def test_a_release_tells_of_what_is_still_held(source: SourceWithKey, console: Console) -> None:
    bounce(sent(source))
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())

    done = console("suppression", "release", ADDRESS, "--reason", "mended")

    assert f"  {invoice_id}  " in done.out
    assert "invoice release ID --reason WHY" in done.out
    assert desk.status_of(invoice_id) == "held"


def test_a_source_that_is_none_is_named(source: SourceWithKey, console: Console) -> None:
    bounce(sent(source))

    listed = console("suppression", "list", "--source", "none")
    released = console("suppression", "release", ADDRESS, "--source", "none", "--reason", "x")

    assert (listed.code, released.code) == (1, 1)
    assert "there is no source 'none'" in listed.err
    assert "there is no source 'none'" in released.err
    assert active() == [ADDRESS]


def test_nothing_suppressed_is_said(source: SourceWithKey, console: Console) -> None:
    assert console("suppression", "list").err == "no address is suppressed\n"
    assert console("suppression", "list", "--json").json() == []


def test_a_bounce_after_a_release_suppresses_anew(source: SourceWithKey) -> None:
    delivery_id = sent(source)
    bounce(delivery_id)
    with unit_of_work() as connection:
        suppressions.release(connection, ADDRESS, "erp", by="ann", reason="mended")

    bounce(delivery_id)

    assert active() == [ADDRESS]


def test_a_release_needs_a_reason_and_a_suppression(source: SourceWithKey) -> None:
    with unit_of_work() as connection, pytest.raises(InputError):
        suppressions.release(connection, ADDRESS, None, by="ann", reason=" ")
    with unit_of_work() as connection, pytest.raises(NotFoundError):
        suppressions.release(connection, ADDRESS, None, by="ann", reason="why not")


def test_the_list_is_that_of_the_caller(
    source: SourceWithKey, api: FlaskClient, console: Console
) -> None:
    bounce(sent(source))
    bounce(sent(add_source("other")))

    answer = api.get("/api/v1/suppressions")
    [item] = answer.get_json()["items"]
    listed = console("suppression", "list", "--json").json()

    assert (item["address"], item["verdict"]) == (ADDRESS, "hard")
    assert item["reason"] == "bounced (hard, 5.1.1): no such mailbox"
    assert item["expires_at"] > item["suppressed_at"]
    assert [row["source"] for row in listed] == ["erp", "other"]
