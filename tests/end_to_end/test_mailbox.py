"""Bounces in a real mailbox, read by a worker that is killed while it reads."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from callbacks.models import Callback
from core import mail_token
from core.clock import utcnow
from core.models import Lease
from invoices.models import Delivery
from status.models import StatusEvent
from tests.callbacks.mail.test_understanding import block, report
from tests.end_to_end.desk import Background, Desk, desk, unique
from tests.support.mailbox import Dovecot, dovecot
from tests.support.provider import Provider

pytestmark = [pytest.mark.processes, pytest.mark.storm]

BOUNCES = 500
KILLS = 3
TASK = "tasks.checkEmailInbox"
SECRET_KEY = "a-key-for-tests-and-nothing-else-0123"
RECIPIENT = "deliver@sandbox.example"

CALLBACKS = Callback.__table__
DELIVERIES = Delivery.__table__
EVENTS = StatusEvent.__table__
LEASES = Lease.__table__


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    """A mailbox of its own."""
    with dovecot() as found:
        yield found


@pytest.fixture(scope="module")
def own(server: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with that mailbox."""
    folder: Path = tmp_path_factory.mktemp("mailbox")
    settings = {"KUVERT_IMAP_URL": server.url(), "SSL_CERT_FILE": str(server.authority)}
    with desk("postgresql", folder, "web", "worker", "beat", **settings) as running:
        yield running


def kept(own: Desk) -> int:
    """How many mails are stored."""
    with own.kuvert.database.single() as connection:
        return int(connection.scalar(select(func.count()).select_from(CALLBACKS)) or 0)


def is_read(own: Desk) -> bool:
    """Whether somebody reads the mailbox now."""
    held = select(LEASES.c.holder).where(LEASES.c.name == TASK)
    with own.kuvert.database.single() as connection:
        return connection.scalar(held) is not None


def is_free(own: Desk) -> bool:
    """Whether the lease of who read last is given back, or has run out."""
    until = select(LEASES.c.until).where(LEASES.c.name == TASK, LEASES.c.holder.is_not(None))
    with own.kuvert.database.single() as connection:
        found = connection.scalar(until)
    return found is None or found < utcnow()


def ask(own: Desk) -> None:
    """Have the mailbox read, as the timer does; while a lease runs it would be for nothing."""
    own.expect(lambda: is_free(own), 60, "the lease of who was killed has run out")
    own.kuvert.manage("task", "send", TASK)


def bounces(own: Desk) -> list[bytes]:
    """One bounce for each delivery, with our token."""
    with own.kuvert.database.single() as connection:
        keys = list(connection.scalars(select(DELIVERIES.c.id)))
    raw = report(block(RECIPIENT, "failed", "5.1.1", "550 5.1.1 User unknown"))
    senders = (mail_token.envelope_sender(SECRET_KEY, key, "b@example.com") for key in keys)
    return [
        raw.replace(b"bounces@example.com", sender.encode(), 1).replace(
            b"Subject:", f"Message-ID: <{number}@mx.example.org>\r\nSubject:".encode(), 1
        )
        for number, sender in enumerate(senders)
    ]


def test_each_bounce_is_applied_once_although_the_worker_is_killed(
    own: Desk, server: Dovecot
) -> None:
    with Provider(unique("mailed").lower()) as provider:
        own.add(provider, sources={provider.code: provider.code})
        ids = own.send_batch(provider.code, [unique("M") for _ in range(BOUNCES)])
        own.expect(
            lambda: set(own.statuses(provider.code).values()) == {"sent"}, 60, "all are sent"
        )
        mails = bounces(own)
        with server.client() as box:
            box.put(*mails)

            hits = sum(killed_while_reading(own) for _ in range(KILLS))
            ask(own)
            own.expect(
                lambda: set(own.statuses(provider.code).values()) == {"undeliverable"},
                90,
                "every bounce is applied",
            )
            own.expect(lambda: not box.bodies(), 60, "the inbox is empty")

            assert hits == KILLS
            assert sorted(box.bodies("Kuvert.Processed")) == sorted(mails)
            assert box.bodies("Kuvert.Unmatched") == []
    assert kept(own) == len(ids) == BOUNCES
    assert applied(own) == Counter({"undeliverable": BOUNCES})


def killed_while_reading(own: Desk) -> bool:
    """Let the worker read, and kill it when it has begun to store; tell whether it was reading."""
    before = kept(own)
    worker = own.kuvert.children["worker"]
    asking = Background(ask, own)
    own.expect(lambda: kept(own) > before or kept(own) == BOUNCES, 60, "it has begun to store")
    was_reading = is_read(own)
    worker.kill()
    asking.wait(30)
    worker.start()
    own.kuvert.wait_until_ready("worker")
    return was_reading


def applied(own: Desk) -> Counter[str]:
    """Count the events that mails made, by status; none may say that it came again."""
    bounced = EVENTS.c.note.like("bounced%")
    repeated = EVENTS.c.note.like("%repeated%")
    with own.kuvert.database.single() as connection:
        assert list(connection.scalars(select(EVENTS.c.note).where(repeated))) == []
        return Counter(connection.scalars(select(EVENTS.c.to_status).where(bounced)))


def test_a_run_says_in_the_log_what_it_read(own: Desk) -> None:
    done = own.kuvert.manage("mail", "check")

    assert re.fullmatch(r"(\d+ new.*|already running.*)", done.stdout.strip()), done.stdout
