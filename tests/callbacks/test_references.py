"""References that do not tell which invoice is meant."""

import pytest
from flask.testing import FlaskClient

from tests.callbacks.calling import call, said, work
from tests.callbacks.conftest import Sent
from tests.support import desk
from tests.support.channel import FakeChannel, answer
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database


def test_a_reference_of_two_invoices_is_never_guessed(
    client: FlaskClient, acme: str, billing: SourceWithKey, sent: Sent
) -> None:
    other = add_invoice(billing)
    desk.send(FakeChannel(answer(202, b'{"id": "ref-1"}')))

    call(client, acme, said("ref-1"))
    [end] = work()

    assert (end.state, end.note) == ("orphan", "2 invoices with the reference ref-1")
    assert [desk.status_of(item) for item in (sent.id, other)] == ["sent", "sent"]


def test_a_reference_of_two_deliveries_means_the_newest(
    client: FlaskClient, acme: str, sent: Sent
) -> None:
    newest = desk.add_delivery(sent.id, state="sent")
    desk.change(desk.INVOICES, current_delivery_id=newest)

    call(client, acme, said(sent.reference))
    [end] = work()

    assert (end.state, end.delivery_id) == ("applied", newest)
    assert desk.status_of(sent.id) == "delivered"
