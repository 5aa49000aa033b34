"""P19: back up, go on sending, restore: nothing goes out until somebody resumes it."""

from pathlib import Path
from uuid import UUID

import pytest
from celery import Celery
from flask import Flask
from sqlalchemy import update

from core import pump
from core.backups import restoring, taking
from core.backups.archive import Reader
from core.clock import utcnow
from core.db import database, db, unit_of_work
from core.pump import Limits
from core.web import settings
from invoices import tasks
from invoices.services import resuming
from invoices.services.claims import PROVIDERS
from status.models import Status
from tests.support import desk
from tests.support.channel import FakeChannel
from tests.support.desk import DELIVERIES, LEASE
from tests.support.factories import SourceWithKey, add_invoice, add_source


def sent(channel: FakeChannel) -> list[UUID]:
    """The dispatch keys of what was handed over."""
    return [envelope.delivery_id for envelope in channel.seen]


def by_provider() -> dict[str, str]:
    """Where the delivery of each provider's one invoice stands."""
    codes = {row.id: row.code for row in desk.rows(PROVIDERS)}
    return {codes[row.provider_id]: row.state for row in desk.rows(DELIVERIES)}


@pytest.mark.every_database
def test_nothing_goes_out_until_somebody_resumes_and_nothing_twice(
    app: Flask, source: SourceWithKey, tmp_path: Path
) -> None:
    keyless = add_source("keyless", provider="plain")
    with unit_of_work() as connection:
        plain = update(PROVIDERS).where(PROVIDERS.c.code == "plain")
        connection.execute(plain.values(is_idempotent=False))
    add_invoice(source)
    add_invoice(keyless)
    taken_at = utcnow()
    taking.take(database(), tmp_path / "a.zip")
    first = FakeChannel()
    desk.send(first)
    assert set(by_provider().values()) == {Status.SENT}

    db.session.remove()
    reader = Reader(tmp_path / "a.zip")
    wish = restoring.Wish(reason="restored", restored_from=taken_at)
    restoring.check(reader)
    restoring.restore(database(), reader, wish)
    reader.close()

    assert by_provider() == {"sandbox": Status.READY, "plain": Status.READY}
    assert pump.due_pumps(utcnow()) == []
    limits = Limits(window=100, lease=LEASE)
    assert pump.run(tasks.DELIVERIES, Celery(broker="memory://"), limits) == "dispatch is paused"
    assert [tasks.send_invoice(str(row.id)) for row in desk.rows(DELIVERIES)] == [0, 0]

    assert resuming.resume("looked at what the providers have", settings()) == 1

    again = FakeChannel()
    desk.send(again)
    assert by_provider() == {"sandbox": Status.SENT, "plain": Status.UNKNOWN}
    # The same key: a provider that honours it takes nothing twice.
    assert len(sent(again)) == 1
    assert set(sent(again)) < set(sent(first))
