"""What may be done to an invoice, and in which states."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypedDict, Unpack
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.clock import utcnow
from core.db import unit_of_work
from core.errors import ConflictError, InputError, NotFoundError
from core.ids import new_id
from invoices.services import actions
from invoices.services.actions import Order
from status.models import Cause, Status
from tests.support import desk
from tests.support.channel import FakeChannel, answer, no_answer
from tests.support.factories import SourceWithKey, add_invoice, add_source

pytestmark = pytest.mark.every_database

ORDER = Order(reason="because", actor="tester", cause=Cause.STAFF)
ALLOWED = {
    "cancel": {"held", "ready", "retry_wait"},
    "hold": {"ready", "retry_wait"},
    "release": {"held"},
    "resend": {"unknown", "failed", "undeliverable", "sent", "delivered"},
    "reconcile": {"unknown"},
}


class _More(TypedDict, total=False):
    provider: str
    to: str
    confirm: bool
    status: str


MORE: dict[str, _More] = {"resend": {"confirm": True}, "reconcile": {"status": "sent"}}


def do(verb: str, invoice_id: UUID, *, order: Order = ORDER, **more: Unpack[_More]) -> object:
    with unit_of_work() as connection:
        return actions.VERBS[verb](connection, invoice_id, order, **more)


def stands_at(source: SourceWithKey, status: str) -> UUID:
    """An invoice at `status`, with its delivery."""
    invoice_id = add_invoice(source)
    desk.change(desk.INVOICES, status=status)
    due_at = utcnow() if status in {"ready", "retry_wait"} else None
    desk.change(desk.DELIVERIES, state=status, due_at=due_at)
    return invoice_id


@pytest.mark.parametrize("verb", ALLOWED)
def test_each_verb_is_allowed_in_its_states_alone(source: SourceWithKey, verb: str) -> None:
    invoice_id = add_invoice(source)
    more = MORE.get(verb, {})

    for status in ALLOWED[verb]:
        desk.change(desk.INVOICES, status=status)
        do(verb, invoice_id, **more)
    for status in {str(status) for status in Status} - ALLOWED[verb]:
        desk.change(desk.INVOICES, status=status)
        with pytest.raises(ConflictError) as error:
            do(verb, invoice_id, **more)
        assert f"the invoice is {status} and cannot be" in error.value.detail
        assert all(name in error.value.detail for name in ALLOWED[verb])


@pytest.mark.one_database
@pytest.mark.parametrize("verb", ALLOWED)
def test_an_invoice_of_another_source_is_not_found(source: SourceWithKey, verb: str) -> None:
    invoice_id = add_invoice(source)
    order = Order(reason="x", actor="x", cause=Cause.API, source_id=add_source().id)

    with pytest.raises(NotFoundError):
        do(verb, invoice_id, order=order, **MORE.get(verb, {}))


def test_an_invoice_that_is_none_is_not_found(app: Flask) -> None:
    with pytest.raises(NotFoundError):
        do("cancel", new_id())


def test_the_history_says_who_and_why(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)

    do("hold", invoice_id)

    event = desk.history_of(invoice_id)[-1]
    assert (event.from_status, event.to_status) == ("ready", "held")
    assert (event.cause, event.actor, event.note) == ("staff", "tester", "because")


@pytest.mark.parametrize("verb", ["cancel", "hold"])
def test_what_was_claimed_is_taken_back_from_the_worker(source: SourceWithKey, verb: str) -> None:
    add_invoice(source)
    [message] = desk.claim()
    invoice_id = desk.only(desk.INVOICES).id

    do(verb, invoice_id)

    channel = FakeChannel()
    assert desk.send(channel, message) == 0
    assert channel.seen == []
    assert desk.claim() == []


def test_what_is_on_its_way_cannot_be_cancelled(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    channel = FakeChannel()
    caught: list[str] = []

    def try_it(_: object) -> None:
        with pytest.raises(ConflictError) as error:
            do("cancel", invoice_id)
        caught.append(error.value.detail)

    channel.before_answer = try_it
    desk.send(channel)

    assert "the invoice is sending and cannot be cancelled" in caught[0]
    assert desk.status_of(invoice_id) == "sent"


def test_a_released_invoice_is_due(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    do("hold", invoice_id)

    do("release", invoice_id, to="slow@sandbox.example")

    channel = FakeChannel()
    desk.send(channel)
    assert channel.seen[0].recipient == "slow@sandbox.example"
    assert desk.path_of(invoice_id) == ["ready", "held", "ready", "sending", "sent"]


def test_without_a_provider_it_is_released_only_to_a_named_one(app: Flask) -> None:
    add_source(provider="sandbox")
    invoice_id = add_invoice(add_source(provider=None))

    with pytest.raises(InputError) as error:
        do("release", invoice_id)
    do("release", invoice_id, provider="sandbox")

    assert error.value.findings[0].where == "/provider"
    assert len(desk.ids_of(desk.claim())) == 1


@pytest.mark.one_database
@pytest.mark.parametrize("verb", ["release", "resend"])
def test_a_provider_that_is_none_is_refused(source: SourceWithKey, verb: str) -> None:
    invoice_id = stands_at(source, "held" if verb == "release" else "failed")

    with pytest.raises(InputError):
        do(verb, invoice_id, provider="nobody")


# Sent again


def resent(source: SourceWithKey, make: Callable[[SourceWithKey], UUID]) -> tuple[UUID, UUID]:
    invoice_id = make(source)
    key = do("resend", invoice_id, confirm=True)
    assert isinstance(key, UUID)
    return invoice_id, key


def sent(source: SourceWithKey) -> UUID:
    invoice_id = add_invoice(source)
    desk.send(FakeChannel())
    return invoice_id


def test_a_resend_sends_the_same_bytes_under_a_new_key(source: SourceWithKey) -> None:
    invoice_id, key = resent(source, sent)

    channel = FakeChannel()
    desk.send(channel)

    first, second = desk.rows(desk.DELIVERIES)
    [envelope] = channel.seen
    assert envelope.delivery_id == second.id == key != first.id
    assert second.document_id == first.document_id
    assert (second.origin, second.reason, envelope.attempt) == ("resend", "because", 1)
    assert desk.only(desk.INVOICES).current_delivery_id == key
    assert desk.path_of(invoice_id)[-3:] == ["ready", "sending", "sent"]


@pytest.mark.parametrize("status", ["sent", "delivered"])
def test_what_was_sent_goes_out_twice_only_when_that_is_meant(
    source: SourceWithKey, status: str
) -> None:
    invoice_id = stands_at(source, status)

    with pytest.raises(ConflictError) as error:
        do("resend", invoice_id)

    assert f"the invoice is {status}; confirm" in error.value.detail
    assert len(desk.rows(desk.DELIVERIES)) == 1


@pytest.mark.parametrize("status", ["unknown", "failed", "undeliverable"])
def test_what_was_not_sent_needs_no_confirmation(source: SourceWithKey, status: str) -> None:
    invoice_id = stands_at(source, status)

    do("resend", invoice_id)

    assert desk.status_of(invoice_id) == "ready"


# Reconciled


@pytest.mark.parametrize("status", ["sent", "delivered", "undeliverable", "failed"])
def test_an_unknown_outcome_is_decided(source: SourceWithKey, status: str) -> None:
    invoice_id = stands_at(source, "unknown")

    do("reconcile", invoice_id, status=status)

    delivery = desk.only(desk.DELIVERIES)
    assert desk.status_of(invoice_id) == delivery.state == status
    assert delivery.due_at is None


def test_an_unknown_outcome_may_be_tried_again_under_the_same_key(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    desk.change(desk.PROVIDERS, is_idempotent=False)
    channel = FakeChannel(no_answer(may_have_arrived=True))
    desk.send(channel)
    assert desk.status_of(invoice_id) == "unknown"

    do("reconcile", invoice_id, status="retry_wait")
    desk.send(channel)

    assert len({envelope.delivery_id for envelope in channel.seen}) == 1
    assert [envelope.attempt for envelope in channel.seen] == [1, 2]
    assert desk.status_of(invoice_id) == "sent"


@pytest.mark.one_database
@pytest.mark.parametrize("status", ["ready", "sending", "held", "cancelled", "unknown", "x"])
def test_an_outcome_cannot_be_decided_as_anything_else(source: SourceWithKey, status: str) -> None:
    invoice_id = stands_at(source, "unknown")

    with pytest.raises(InputError):
        do("reconcile", invoice_id, status=status)


@pytest.mark.parametrize("verb", ALLOWED)
def test_a_delivery_that_a_resend_has_just_made_is_a_conflict(
    source: SourceWithKey, verb: str
) -> None:
    invoice_id = stands_at(source, min(ALLOWED[verb]))
    desk.change(desk.INVOICES, current_delivery_id=new_id())

    with pytest.raises(ConflictError, match="just now"):
        do(verb, invoice_id, **MORE.get(verb, {}))


# Over HTTP


def test_an_action_answers_with_where_the_invoice_stands(
    source: SourceWithKey, api: FlaskClient
) -> None:
    invoice_id = add_invoice(source)

    answered = api.post(f"/api/v1/invoices/{invoice_id}/hold", json={"reason": "wait"})

    body = answered.get_json()
    assert (answered.status_code, body["status"], body["sequence"]) == (200, "held", 2)
    key = source.key.split("_")[2]
    assert desk.history_of(invoice_id)[-1].actor == f"source erp, key {key}"


def test_a_state_that_forbids_it_is_named_in_a_409(source: SourceWithKey, api: FlaskClient) -> None:
    invoice_id = add_invoice(source)
    desk.send(FakeChannel(answer(400)))

    answered = api.post(f"/api/v1/invoices/{invoice_id}/cancel", json={"reason": "x"})

    assert answered.status_code == 409
    assert "the invoice is undeliverable" in answered.get_json()["detail"]


@pytest.mark.one_database
@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "a\nb"}, {"reason": "x", "y": 1}])
def test_an_action_without_a_readable_reason_is_refused(
    source: SourceWithKey, api: FlaskClient, body: dict[str, object]
) -> None:
    invoice_id = add_invoice(source)

    assert api.post(f"/api/v1/invoices/{invoice_id}/hold", json=body).status_code == 422
    assert desk.status_of(invoice_id) == "ready"


def test_what_was_tried_and_is_released_elsewhere_gets_a_key_of_its_own(
    source: SourceWithKey,
) -> None:
    invoice_id = add_invoice(source)
    desk.send(FakeChannel(no_answer(may_have_arrived=True)))
    [tried] = desk.rows(desk.DELIVERIES)
    with unit_of_work() as connection:
        actions.hold(connection, invoice_id, ORDER)
        actions.release(connection, invoice_id, ORDER, to="right@y.example")

    channel = FakeChannel()
    desk.send(channel)

    [envelope] = channel.seen
    assert envelope.delivery_id != tried.id
    assert (envelope.recipient, desk.status_of(invoice_id)) == ("right@y.example", "sent")
    states = {row.id: row.state for row in desk.rows(desk.DELIVERIES)}
    assert states == {tried.id: "cancelled", envelope.delivery_id: "sent"}


def test_what_was_tried_and_is_released_to_the_same_keeps_its_key(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source)
    desk.send(FakeChannel(no_answer(may_have_arrived=True)))
    [tried] = desk.rows(desk.DELIVERIES)
    with unit_of_work() as connection:
        actions.hold(connection, invoice_id, ORDER)
        actions.release(connection, invoice_id, ORDER)

    channel = FakeChannel()
    desk.send(channel)

    assert [envelope.delivery_id for envelope in channel.seen] == [tried.id]


# What is true of one that went out before


@pytest.mark.parametrize("state", ["delivered", "sent", "unknown"])
def test_to_cancel_a_resend_does_not_hide_what_went_out(source: SourceWithKey, state: str) -> None:
    invoice_id = stands_at(source, state)
    first = desk.only(desk.DELIVERIES).id
    do("resend", invoice_id, confirm=True)

    assert do("cancel", invoice_id) == state

    row = desk.only(desk.INVOICES)
    assert (row.status, row.current_delivery_id) == (state, first)
    assert [item.state for item in desk.rows(desk.DELIVERIES)] == [state, "cancelled"]
    assert desk.path_of(invoice_id)[-2:] == ["ready", state]
    assert desk.claim() == []


@pytest.mark.parametrize("state", ["failed", "undeliverable"])
def test_to_cancel_the_resend_of_what_never_arrived_is_to_cancel_the_invoice(
    source: SourceWithKey, state: str
) -> None:
    invoice_id = stands_at(source, state)
    do("resend", invoice_id, confirm=True)

    assert do("cancel", invoice_id) == "cancelled"


def test_of_several_that_went_out_the_one_that_arrived_counts(source: SourceWithKey) -> None:
    invoice_id = stands_at(source, "delivered")
    arrived = desk.only(desk.DELIVERIES).id
    desk.add_delivery(invoice_id, state="sent")
    do("resend", invoice_id, confirm=True)

    assert do("cancel", invoice_id) == "delivered"
    assert desk.only(desk.INVOICES).current_delivery_id == arrived


# What is to be sent later


def test_to_hold_and_release_does_not_forget_when_it_was_to_go(source: SourceWithKey) -> None:
    later = utcnow().replace(microsecond=0) + timedelta(days=3)
    invoice_id = add_invoice(source, send_at=later.isoformat())

    do("hold", invoice_id)
    assert desk.only(desk.DELIVERIES).due_at is None
    do("release", invoice_id)

    assert desk.only(desk.DELIVERIES).due_at == later


def test_what_was_to_go_in_the_past_goes_at_once(source: SourceWithKey) -> None:
    invoice_id = add_invoice(source, send_at=(utcnow() + timedelta(days=3)).isoformat())
    do("hold", invoice_id)
    desk.change(desk.DELIVERIES, send_at=utcnow() - timedelta(days=1))

    do("release", invoice_id)

    assert desk.ids_of(desk.claim()) == [desk.only(desk.DELIVERIES).id]


# If-Match


def test_what_changes_before_the_lock_is_held_is_noticed(
    api: FlaskClient, source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the request and locking the row somebody else is quicker."""
    invoice_id = add_invoice(source)
    lock = actions._lock

    def late(*args: Any) -> object:  # noqa: ANN401 - as it is called
        monkeypatch.setattr(actions, "_lock", lock)
        actions.hold(args[0], invoice_id, ORDER)
        return lock(*args)

    monkeypatch.setattr(actions, "_lock", late)
    path = f"/api/v1/invoices/{invoice_id}/cancel"
    answer = api.post(path, json={"reason": "x"}, headers={"If-Match": '"1"'})

    assert answer.status_code == 412
    assert "version 2" in answer.get_json()["detail"]
    assert desk.path_of(invoice_id) == ["ready"]
