"""Two batches with the same invoices, at the same moment."""

import json
import threading

import pytest
from flask import Flask

from core.db import unit_of_work
from core.errors import KuvertError
from invoices.schemas import read_json_invoice
from invoices.services import intake
from invoices.services.intake import Accepted
from invoices.values import NewInvoice
from tests.support import desk
from tests.support.factories import SourceWithKey, invoice_json

pytestmark = pytest.mark.every_database

SIZE = 300
ROUNDS = 3


def test_in_opposite_orders_neither_fails(app: Flask, source: SourceWithKey) -> None:
    for _ in range(ROUNDS):
        news = [read_json_invoice(json.dumps(invoice_json()).encode()) for _ in range(SIZE)]

        found = at_once(app, source, news, news[::-1])

        assert len(found) == 2 * SIZE
        assert sum(end.is_new for end in found) == SIZE
    assert len(desk.rows(desk.INVOICES)) == ROUNDS * SIZE


def at_once(app: Flask, source: SourceWithKey, *batches: list[NewInvoice]) -> list[Accepted]:
    """Hand in each batch in a thread of its own; return what was accepted of all."""
    ends: list[Accepted | KuvertError] = []
    start = threading.Barrier(len(batches))

    def hand_in(batch: list[NewInvoice]) -> None:
        with app.app_context():
            start.wait()
            with unit_of_work() as connection:
                ends.extend(intake.accept_many(connection, source.id, "test", batch))

    threads = [threading.Thread(target=hand_in, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [end for end in ends if isinstance(end, Accepted)]
