"""What providers and mailboxes said goes when its time is over; a repeat is still one."""

from uuid import UUID

import pytest
from flask.testing import FlaskClient

from callbacks import overruling, retention, services
from callbacks.models import Ruling
from core.db import reading, unit_of_work
from core.editing import By
from core.errors import GoneError
from core.ids import new_id
from core.retention.kinds import Kind
from status.models import Status
from tests.callbacks import calling
from tests.callbacks.conftest import Sent
from tests.callbacks.mail.test_understanding import report
from tests.callbacks.test_mails import FAILED, sender_of, take_in, to
from tests.support import ageing, desk

pytestmark = pytest.mark.every_database


def surveyed(kind: Kind) -> tuple[int, dict[str, int]]:
    with reading() as connection:
        survey = kind.survey(connection, ageing.limits())
    return survey.rows, dict(survey.kept_back)


def test_the_body_goes_and_what_it_is_known_by_stays(client: FlaskClient, sent: Sent) -> None:
    calling.call(client, "acme", calling.said(sent.reference), event_id="evt-1")
    calling.work()
    before = calling.stored()

    tally = ageing.purge(retention.BODIES)

    after = calling.stored()
    assert (tally.rows, tally.bytes) == (1, len(before.body))
    assert (after.body, after.headers) == (b"", {})
    assert (after.dedupe_key, after.body_sha256) == ("evt-1", before.body_sha256)
    assert (after.state, after.delivery_id) == ("applied", sent.delivery_id)
    assert after.purged_at is not None


def test_a_repeat_after_that_applies_nothing(client: FlaskClient, sent: Sent) -> None:
    body = calling.said(sent.reference)
    first = calling.call(client, "acme", body, event_id="evt-1")
    calling.work()
    ageing.purge(retention.BODIES)
    told = desk.path_of(sent.id)

    again = calling.call(client, "acme", body, event_id="evt-1")

    assert (again.status_code, again.get_json()["id"]) == (200, first.get_json()["id"])
    assert calling.work() == []
    assert desk.path_of(sent.id) == told
    assert desk.status_of(sent.id) == Status.DELIVERED


@pytest.mark.parametrize("status", ["delivered", "a word that nobody knows"])
def test_what_may_still_be_applied_stays(client: FlaskClient, sent: Sent, status: str) -> None:
    reference = "of nobody" if status == "delivered" else sent.reference
    calling.call(client, "acme", calling.said(reference, status))
    calling.work()

    assert surveyed(retention.BODIES) == (0, {"not worked through": 1})
    assert ageing.purge(retention.BODIES).rows == 0
    assert calling.stored().body


def test_what_was_not_looked_at_yet_stays(client: FlaskClient, sent: Sent) -> None:
    calling.call(client, "acme", calling.said(sent.reference))

    assert surveyed(retention.BODIES) == (0, {"not worked through": 1})


def test_what_is_about_an_invoice_that_is_not_final_stays(client: FlaskClient, sent: Sent) -> None:
    calling.call(client, "acme", calling.said(sent.reference))
    calling.work()
    ageing.settle("unknown")

    assert surveyed(retention.BODIES) == (0, {"not final": 1})
    assert ageing.purge(retention.BODIES).rows == 0


def test_what_nobody_could_read_goes(client: FlaskClient, sent: Sent) -> None:
    calling.call(client, "acme", b"no json")
    calling.work()

    assert surveyed(retention.BODIES) == (1, {})


def test_it_cannot_be_worked_through_again(client: FlaskClient, sent: Sent) -> None:
    calling.call(client, "acme", calling.said(sent.reference))
    calling.work()
    ageing.purge(retention.BODIES)

    with pytest.raises(GoneError, match="removed by retention"), unit_of_work() as connection:
        services.replay(connection, calling.stored().id)

    assert calling.stored().state == "applied"


def bounce(delivery_id: UUID) -> bytes:
    return to(sender_of(delivery_id), report(FAILED))


def test_a_mail_goes_and_its_fingerprint_stays(sent: Sent) -> None:
    [row] = take_in(bounce(sent.delivery_id))

    assert surveyed(retention.BODIES) == (0, {})
    assert ageing.purge(retention.MAILS).rows == 1

    after = calling.stored()
    assert (after.body, after.headers) == (b"", {})
    assert (after.mail_key, after.likeness) == (row.mail_key, row.likeness)
    assert after.likeness is not None
    assert desk.status_of(sent.id) == Status.UNDELIVERABLE


def test_the_same_mail_again_is_known(sent: Sent) -> None:
    take_in(bounce(sent.delivery_id))
    ageing.purge(retention.MAILS)
    told = desk.path_of(sent.id)

    [again] = take_in(bounce(sent.delivery_id))

    assert again.id == calling.stored().id
    assert again.body == b""
    assert desk.path_of(sent.id) == told


def test_a_mail_that_is_gone_cannot_be_overruled(sent: Sent) -> None:
    [row] = take_in(bounce(sent.delivery_id))
    ageing.purge(retention.MAILS)

    with pytest.raises(GoneError), unit_of_work() as connection:
        overruling.overrule(connection, row.id, Ruling.NONE, reason="no bounce", by=By("ann"))


def test_what_it_said_still_counts_when_another_is_overruled(sent: Sent) -> None:
    """Two mails said that it bounced; taking one back must not make it delivered."""
    take_in(bounce(sent.delivery_id))
    ageing.purge(retention.MAILS)
    later = bounce(sent.delivery_id).replace(b"Subject: ", f"Subject: {new_id()} ".encode(), 1)
    [second] = take_in(later)

    with unit_of_work() as connection:
        overruling.overrule(connection, second.id, Ruling.NONE, reason="no bounce", by=By("ann"))

    assert desk.status_of(sent.id) == Status.UNDELIVERABLE
