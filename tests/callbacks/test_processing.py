"""Callbacks worked through: read, matched, ranked, applied."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from callbacks import mappings, services
from callbacks.services import End
from core.clock import utcnow
from core.db import reading, unit_of_work
from core.editing import By
from core.errors import InputError, NotFoundError
from core.ids import new_id
from status.models import Status
from tests.callbacks.calling import (
    CALLBACKS,
    MAPPINGS,
    add_provider,
    call,
    come_due,
    provider_id,
    said,
    stored,
    work,
)
from tests.callbacks.conftest import Sent
from tests.support import desk
from tests.support.channel import FakeChannel
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database

BY = By("anna")


def worked(client: FlaskClient, code: str, *bodies: object) -> list[End]:
    for body in bodies:
        assert call(client, code, body).status_code == 202
    return work()


def hits(word: str) -> int | None:
    with reading() as connection:
        return connection.scalar(select(MAPPINGS.c.hits).where(MAPPINGS.c.provider_status == word))


# Applied


def test_a_callback_with_our_key_is_applied(client: FlaskClient, acme: str, sent: Sent) -> None:
    [end] = worked(client, acme, said(sent.delivery_id, detail="signed for"))

    row = stored()
    assert (end.state, end.delivery_id) == ("applied", sent.delivery_id)
    assert (row.state, row.due_at, row.lease_token) == ("applied", None, None)
    assert row.finished_at is not None
    assert desk.status_of(sent.id) == "delivered"
    assert desk.history_of(sent.id)[-1].note == "delivered: signed for"


def test_a_callback_with_the_provider_s_reference_is_applied(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    worked(client, acme, said(sent.reference))

    assert desk.status_of(sent.id) == "delivered"


def test_a_repeated_event_is_applied_once(client: FlaskClient, acme: str, sent: Sent) -> None:
    """C10."""
    for _ in range(5):
        call(client, acme, said(sent.delivery_id), event_id="evt_1")
        come_due()
        work()

    assert desk.path_of(sent.id) == ["ready", "sending", "sent", "delivered"]


def test_a_body_that_came_later_under_the_same_id_changes_nothing(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    """C11."""
    call(client, acme, said(sent.delivery_id), event_id="evt_1")
    call(client, acme, said(sent.delivery_id, "bounced"), event_id="evt_1")

    work()

    assert desk.status_of(sent.id) == "delivered"
    assert stored().conflict_sha256 is not None


def test_a_lower_rank_is_history_alone(client: FlaskClient, acme: str, sent: Sent) -> None:
    """C12."""
    first, second = worked(client, acme, said(sent.delivery_id), said(sent.delivery_id, "accepted"))

    assert [first.state, second.state] == ["applied", "ignored"]
    assert desk.status_of(sent.id) == "delivered"
    assert len(desk.history_of(sent.id)) == 5


def test_a_callback_that_comes_before_our_own_commit_is_applied_later(
    client: FlaskClient, acme: str, billing: SourceWithKey
) -> None:
    """C13, P6."""
    invoice_id = add_invoice(billing)
    channel = FakeChannel()
    early: list[End] = []
    channel.before_answer = lambda envelope: early.extend(
        worked(client, acme, said(envelope.delivery_id))
    )

    desk.send(channel)

    assert [end.state for end in early] == ["received"]
    assert early[0].due_at is not None
    assert early[0].due_at - utcnow() < timedelta(seconds=2)
    come_due()
    work()
    assert desk.path_of(invoice_id) == ["ready", "sending", "sent", "delivered"]


def test_a_callback_for_a_cancelled_invoice_is_history_alone(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    """C24, where nothing was ever tried; after an attempt the provider's word is the truth."""
    desk.change(desk.INVOICES, status="cancelled")
    desk.change(desk.DELIVERIES, state="cancelled", attempt_count=0)

    [end] = worked(client, acme, said(sent.delivery_id))

    assert end.state == "ignored"
    assert desk.status_of(sent.id) == "cancelled"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2099-12-31T23:59:59+01:00", datetime(2099, 12, 31, 22, 59, 59, tzinfo=UTC)),
        ("2026-11-22T10:00:00", None),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_any_time_of_the_event_is_taken(
    client: FlaskClient, acme: str, sent: Sent, text: str, expected: datetime | None
) -> None:
    """C20."""
    worked(client, acme, said(sent.delivery_id, occurred_at=text))

    assert stored().occurred_at == expected
    assert desk.status_of(sent.id) == "delivered"


def test_those_of_one_delivery_are_taken_in_the_order_in_which_they_came(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    """C20: the time in the event decides nothing."""
    worked(
        client,
        acme,
        said(sent.delivery_id, "sent", occurred_at="2099-01-01T00:00:00Z"),
        said(sent.delivery_id, "delivered", occurred_at="1970-01-01T00:00:00Z"),
    )

    assert [event.to_status for event in desk.history_of(sent.id)[3:]] == ["sent", "delivered"]


# What waits


def test_an_unknown_reference_is_kept_and_looked_for_less_and_less(
    client: FlaskClient, acme: str
) -> None:
    """C14."""
    worked(client, acme, said("nobody-knows"))
    waits = []
    for _ in range(14):
        row = stored()
        waits.append((row.due_at - utcnow()).total_seconds())
        come_due()
        work()

    assert stored().state == "orphan"
    assert [round(wait) for wait in waits[:5]] == [1, 2, 4, 8, 16]
    assert round(waits[-1]) == 3600
    assert stored().look_count == 15


def test_after_a_week_nobody_looks_any_more(client: FlaskClient, acme: str) -> None:
    call(client, acme, said("nobody-knows"))
    desk.change(CALLBACKS, received_at=utcnow() - timedelta(days=7, seconds=1))

    work()

    row = stored()
    assert (row.state, row.due_at) == ("orphan", None)
    assert row.finished_at is not None


def test_an_orphan_is_applied_when_its_delivery_is_there(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    desk.change(desk.DELIVERIES, provider_reference=None)
    worked(client, acme, said(sent.reference))
    assert stored().state == "orphan"

    desk.change(desk.DELIVERIES, provider_reference=sent.reference)
    come_due()
    work()

    assert desk.status_of(sent.id) == "delivered"


def test_a_word_that_nobody_has_mapped_is_quarantined(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    """C15."""
    worked(client, acme, said(sent.delivery_id, "Teleported"))

    row = stored()
    assert (row.state, row.provider_status) == ("unmapped", "Teleported")
    assert row.delivery_id == sent.delivery_id
    assert "nobody has said what 'Teleported' means" in row.note
    assert len(desk.history_of(sent.id)) == 3


def test_what_waited_for_a_word_goes_on_when_it_is_mapped(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    worked(client, acme, said(sent.delivery_id, "Teleported"))

    with unit_of_work() as connection:
        mappings.map_status(connection, provider_id(acme), " teleported ", Status.DELIVERED, BY)
    work()

    assert stored().state == "applied"
    assert desk.status_of(sent.id) == "delivered"
    assert hits("teleported") == 1


def test_a_mapping_may_be_changed(client: FlaskClient, acme: str, sent: Sent) -> None:
    with unit_of_work() as connection:
        mappings.map_status(connection, provider_id(acme), "delivered", Status.UNDELIVERABLE, BY)

    worked(client, acme, said(sent.delivery_id, "DELIVERED"))

    assert desk.status_of(sent.id) == "undeliverable"
    assert hits("delivered") == 1


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("word", "status"), [("", "sent"), (" ", "sent"), ("x" * 101, "sent"), ("x", "held")]
)
def test_what_cannot_be_mapped_is_refused(acme: str, word: str, status: str) -> None:
    with pytest.raises(InputError), unit_of_work() as connection:
        mappings.map_status(connection, provider_id(acme), word, Status(status), BY)


def test_uses_of_words_are_counted(client: FlaskClient, acme: str, sent: Sent) -> None:
    worked(client, acme, *[said(sent.delivery_id, word) for word in ("Sent", "sent", "delivered")])

    assert (hits("sent"), hits("delivered"), hits("bounced")) == (2, 1, 0)


# What has no effect


@pytest.mark.parametrize("is_key", [True, False])
def test_another_provider_s_delivery_is_out_of_reach(
    client: FlaskClient, acme: str, sent: Sent, is_key: bool
) -> None:
    """C16."""
    add_provider("mallory")
    reference = sent.delivery_id if is_key else sent.reference

    [end] = worked(client, "mallory", said(reference, "bounced"))

    assert (end.state, end.delivery_id) == ("orphan", None)
    assert stored().delivery_id is None
    assert len(desk.history_of(sent.id)) == 3


@pytest.mark.one_database
@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b"null", b"", b"\xff", b'{"reference":"r"}', b'{"a":1,"a":2}', b'{"status":1}'],
)
def test_what_cannot_be_read_is_kept_and_ends_there(
    client: FlaskClient, acme: str, body: bytes
) -> None:
    """C19."""
    [end] = worked(client, acme, body)

    row = stored()
    assert end.state == "unparsable"
    assert (row.due_at, row.body) == (None, body)
    assert row.note


def test_one_that_cannot_be_read_holds_up_no_other(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    ends = worked(client, acme, b"{", said("nobody-knows"), said(sent.delivery_id))

    assert [end.state for end in ends] == ["unparsable", "orphan", "applied"]


def test_control_characters_do_not_get_into_the_history(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    """C25, C26."""
    detail = "a\r\nb\x1b[31mc\x00d\ud800 <script>alert(1)</script>" + "x" * 5000

    worked(client, acme, said(sent.delivery_id, "bounced", detail=detail))

    note = desk.history_of(sent.id)[-1].note
    assert note.startswith("bounced: a  b [31mc d? <script>")
    assert note.isprintable()
    assert len(note) <= 2000


@pytest.mark.parametrize("reference", ["x" * 5000, "a\x00b", "\ud800", "☃" * 300])
def test_an_odd_reference_is_an_orphan(client: FlaskClient, acme: str, reference: str) -> None:
    [end] = worked(client, acme, said(reference))

    assert end.state == "orphan"


# Claims


def test_a_callback_is_worked_through_by_its_token_alone(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    call(client, acme, said(sent.delivery_id))
    row = stored()

    with unit_of_work() as connection:
        assert services.process(connection, new_id(), [row.id]) == []

    assert stored().state == "received"


def test_what_is_claimed_is_not_claimed_again(client: FlaskClient, acme: str) -> None:
    call(client, acme, said("r"))
    until = utcnow() + timedelta(minutes=5)

    with unit_of_work() as connection:
        first = services.claim(connection, 10, new_id(), until)
        second = services.claim(connection, 10, new_id(), until)

    assert [len(group.ids) for group in first] == [1]
    assert second == []


# Again


def replayed(callback_id: UUID) -> End:
    with unit_of_work() as connection:
        return services.replay(connection, callback_id)


def test_a_replay_of_what_was_applied_is_history_alone(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    worked(client, acme, said(sent.delivery_id))

    end = replayed(stored().id)

    assert end.state == "ignored"
    assert "ignored (repeated)" in desk.history_of(sent.id)[-1].note


def test_a_replay_reads_with_the_pointers_of_now(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    worked(client, acme, {"ref": str(sent.delivery_id), "state": "delivered"})
    assert stored().state == "unparsable"
    pointers = {"callback_reference_pointer": "/ref", "callback_status_pointer": "/state"}
    with unit_of_work() as connection:
        connection.execute(update(desk.PROVIDERS).values(settings=pointers))

    assert replayed(stored().id).state == "applied"
    assert desk.status_of(sent.id) == "delivered"


def test_a_replay_of_nothing_is_not_found(acme: str) -> None:
    with pytest.raises(NotFoundError):
        replayed(new_id())
