"""Reading the mailbox: each mail kept once and moved, never deleted, whatever goes wrong."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Row, delete, select, update

from callbacks import services
from callbacks.mailbox import reading, storing
from callbacks.mailbox.imap import ImapMailbox
from callbacks.mailbox.protocol import Address, Folder, Mail, Mailbox
from callbacks.mailbox.reading import Report, check
from callbacks.models import Callback, MailboxProgress
from core import leases
from core.bell import bell
from core.db import reading as read_database
from core.db import unit_of_work
from core.queues import TaskName
from tests.support.mailbox import Client, mail

pytestmark = pytest.mark.pages

CALLBACKS = Callback.__table__
PROGRESS = MailboxProgress.__table__
PROCESSED, UNMATCHED = "Kuvert.Processed", "Kuvert.Unmatched"


class CrashError(Exception):
    """The process ends here."""


class Crashing:
    """The real mailbox; `crash` is called before or after a step of its own."""

    def __init__(self, address: Address, step: str) -> None:
        self._real = ImapMailbox(address)
        self._step = step
        self.uid_validity = self._real.uid_validity
        self.can_move = self._real.can_move

    def _crash_at(self, step: str) -> None:
        if self._step == step:
            raise CrashError(step)

    def uids(self) -> list[int]:
        return self._real.uids()

    def read(self, uids: Sequence[int]) -> Iterator[list[Mail]]:
        for mails in self._real.read(uids):
            self._crash_at("after fetch")
            yield mails
            self._crash_at("after a group")

    def move(self, uids: Sequence[int], folder: Folder) -> None:
        self._crash_at("before move")
        self._real.move(uids, folder)
        self._crash_at("after move")

    def close(self) -> None:
        self._real.close()


def rows() -> list[Row[Any]]:
    with read_database() as connection:
        return list(connection.execute(select(CALLBACKS).order_by(CALLBACKS.c.id)))


def expire_leases() -> None:
    """Let the time pass after which a run that died is replaced."""
    with unit_of_work() as connection:
        table = leases.LEASES
        connection.execute(update(table).values(holder=None))


def test_a_mail_is_kept_as_it_came_and_then_moved(app: Flask, url: str, box: Client) -> None:
    raw = mail("Good day", message_id="<one@example.org>")
    box.put(raw)

    report = check(url)

    assert (report.new, report.unmatched, report.left) == (1, 1, 0)
    [row] = rows()
    assert row.body == raw
    assert (row.kind, row.provider_id, row.state) == ("dsn", None, "ignored")
    assert row.dedupe_key == "<one@example.org>"
    assert row.headers["subject"] == "Good day"
    assert row.due_at is None
    assert box.bodies() == []
    assert box.bodies(UNMATCHED) == [raw]


def test_a_second_run_finds_nothing(app: Flask, url: str, box: Client) -> None:
    box.put(mail())
    check(url)

    assert str(check(url)) == "0 new, 0 processed, 0 unmatched"


def test_batches_are_small_and_nothing_is_left(
    app: Flask, url: str, box: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 7)
    box.put(*(mail(f"Number {number}") for number in range(30)))
    seen: list[int] = []

    report = check(url, on_progress=lambda report: seen.append(report.new))

    assert seen == [7, 14, 21, 28, 30]
    assert report.new == len(rows()) == len(box.bodies(UNMATCHED)) == 30
    assert box.bodies() == []


@pytest.mark.parametrize("step", ["after fetch", "before move", "after move", "after a group"])
def test_a_crash_at_any_step_keeps_each_once_and_loses_none(
    app: Flask, url: str, box: Client, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(reading, "BATCH", 2)
    box.put(*(mail(f"Number {number}") for number in range(5)))

    for _ in range(3):
        with pytest.raises(CrashError):
            check(url, opener=lambda address: Crashing(address, step))
        expire_leases()
    check(url)

    assert [row.headers["subject"] for row in rows()] == [f"Number {n}" for n in range(5)]
    assert box.bodies() == []
    assert len(box.bodies(UNMATCHED)) == 5


@pytest.mark.parametrize("name", ["keep", "process", "destinations"])
def test_a_crash_in_the_database_keeps_each_once_and_loses_none(
    app: Flask, url: str, box: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    box.put(mail("First"), mail("Second"))
    place: Any = services if name == "process" else storing
    real: Callable[..., object] = getattr(place, name)

    def crash(*args: object, **kwargs: object) -> object:
        real(*args, **kwargs)
        raise CrashError(name)

    with monkeypatch.context() as patch:
        patch.setattr(place, name, crash)
        with pytest.raises(CrashError):
            check(url)
    expire_leases()
    check(url)

    assert [row.state for row in rows()] == ["ignored", "ignored"]
    assert box.bodies() == []
    assert len(box.bodies(UNMATCHED)) == 2


def test_what_comes_back_to_the_inbox_is_kept_once(app: Flask, url: str, box: Client) -> None:
    box.put(mail(message_id="<one@example.org>"))
    check(url)
    box.move_all(UNMATCHED, "INBOX")

    report = check(url)

    assert (report.new, report.repeated) == (0, 1)
    assert len(rows()) == 1
    assert len(box.bodies(UNMATCHED)) == 1


def test_flags_mean_nothing(app: Flask, url: str, box: Client) -> None:
    box.put(mail("Read by somebody"))
    box.flag_all(r"(\Seen \Answered)")

    assert check(url).new == 1


def test_a_mailbox_that_numbers_anew_is_read_from_the_start(
    app: Flask, url: str, box: Client
) -> None:
    box.put(mail("First"))
    check(url)
    with unit_of_work() as connection:
        connection.execute(update(PROGRESS).values(uid_validity=1, last_uid=4_000_000_000))
    box.put(mail("Second"))

    report = check(url)

    assert report.new == 1
    with read_database() as connection:
        assert connection.scalar(select(PROGRESS.c.last_uid)) == 2


def test_a_lost_place_does_no_harm(app: Flask, url: str, box: Client) -> None:
    box.put(mail("First"), mail("Second"))
    check(url)
    with unit_of_work() as connection:
        connection.execute(delete(PROGRESS))
    box.move_all(UNMATCHED, "INBOX")

    report = check(url)

    assert (report.new, report.repeated) == (0, 2)
    assert len(rows()) == 2


def test_the_same_mail_twice_in_one_batch_is_one(app: Flask, url: str, box: Client) -> None:
    raw = mail(message_id="<twice@example.org>")
    by_another_way = b"Received: from elsewhere\r\n" + raw
    box.put(raw, by_another_way, mail("Another", "Other words", message_id="<twice@example.org>"))

    report = check(url)

    assert (report.new, report.repeated) == (2, 1)
    assert len(rows()) == 2
    assert len(box.bodies(UNMATCHED)) == 3


def test_mails_without_a_message_id_are_told_apart_by_their_bytes(
    app: Flask, url: str, box: Client
) -> None:
    box.put(mail("One"), mail("Two"), mail("One"))

    report = check(url)

    assert (report.new, report.repeated) == (2, 1)


def test_a_second_run_at_the_same_time_ends_at_once(app: Flask, url: str, box: Client) -> None:
    box.put(mail())
    with unit_of_work() as connection:
        leases.take(connection, str(TaskName.CHECK_EMAIL_INBOX), timedelta(minutes=1))

    report = check(url)

    assert str(report).startswith("already running since 20")
    assert rows() == []
    assert len(box.bodies()) == 1


def test_a_run_that_lost_its_lease_stops(app: Flask, url: str, box: Client) -> None:
    box.put(mail("First"))

    def lose(address: Address) -> Mailbox:
        expire_leases()
        with unit_of_work() as connection:
            leases.take(connection, str(TaskName.CHECK_EMAIL_INBOX), timedelta(minutes=1))
        return ImapMailbox(address)

    report = check(url, opener=lose)

    assert (report.new, report.left) == (0, 1)
    assert len(box.bodies()) == 1


def test_a_run_out_of_time_leaves_the_rest_to_the_next(
    app: Flask, url: str, box: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[TaskName] = []
    monkeypatch.setattr(bell, "ring", rung.append)
    monkeypatch.setattr(reading, "RUN_SECONDS", -1.0)
    box.put(mail())

    assert str(check(url)) == "0 new, 0 processed, 0 unmatched, 1 left"
    assert rung == [TaskName.CHECK_EMAIL_INBOX]


def test_without_a_mailbox_the_run_says_so(app: Flask) -> None:
    assert str(check(None)) == "no mailbox is set (KUVERT_IMAP_URL)"


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n",
        b'Message-ID: <[\r\nTo: """"\r\n\r\n\xff\xfe\x00',
        b"Subject: =?unknown-8bit?q?=FF=00?=\r\nMessage-ID: <a\x00b@c>\r\n\r\n",
        b"\xff\xfe: \x00\r\n" * 50,
    ],
)
def test_a_mail_that_is_none_is_kept_too(app: Flask, url: str, box: Client, raw: bytes) -> None:
    box.put(raw, mail("After it"))

    report = check(url)

    assert report.new == 2
    # Dovecot never gives out a NUL (RFC 3501 §4.3.1).
    assert rows()[0].body == raw.replace(b"\0", b"\x80")


def test_of_a_huge_mail_the_beginning_is_kept(
    app: Flask, url: str, box: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callbacks.mailbox.imap.LARGEST", 3000)
    monkeypatch.setattr("callbacks.mailbox.imap.BEGINNING", 1000)
    huge = mail("Huge", "x" * 70 + "\r\n" * 3000)
    box.put(mail("Small"), huge, mail("Also small"))

    check(url)

    small, cut, other = rows()
    assert [row.headers["subject"] for row in (small, cut, other)] == [
        "Small",
        "Huge",
        "Also small",
    ]
    assert cut.body == huge[:1000]
    assert cut.headers["kept"] == f"1000 of {len(huge)} bytes"
    assert huge in box.bodies(UNMATCHED)


def test_a_report_without_a_note_counts() -> None:
    report = Report(new=2, repeated=1, processed=1, unmatched=2, gone=1, left=5)

    assert str(report) == (
        "2 new, 1 seen before, 1 processed, 2 unmatched, 1 could not be fetched, 5 left"
    )
