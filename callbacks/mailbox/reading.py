"""One run of `tasks.checkEmailInbox`: fetch, keep raw, work through, and only then move."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from time import monotonic

from sqlalchemy import Connection

from callbacks import services
from callbacks.mailbox import storing
from callbacks.mailbox.imap import ImapMailbox
from callbacks.mailbox.protocol import Address, Folder, Mail, Mailbox
from core import leases, pauses, stopping
from core.bell import bell
from core.clock import utcnow
from core.db import insist, reading, unit_of_work
from core.ids import new_id
from core.queues import TaskName

logger = logging.getLogger(__name__)

NO_MAILBOX = "no mailbox is set (KUVERT_IMAP_URL)"

BATCH = 200
"""Mails listed at a time."""

RUN_SECONDS = 300.0
"""A run ends by itself after this long, and rings for the next one."""

LEASE = timedelta(minutes=5)
"""How long a run that died keeps the next one waiting, and the pump from the mails it had kept."""

Opener = Callable[[Address], Mailbox]
Progress = Callable[["Report"], None]


@dataclass(slots=True)
class Report:
    """What a run did, in mails. `left`: still in the folder and not looked at.

    `kinds` says what the new ones are: bounce, delay, auto_reply and so on.
    """

    new: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    processed: int = 0
    unmatched: int = 0
    gone: int = 0
    left: int = 0
    note: str | None = None

    def __str__(self) -> str:
        """Return one line for the log and the schedule."""
        if self.note:
            return self.note
        parts = [f"{self.new} new{self._kinds()}"]
        parts += [f"{self.repeated} seen before"] if self.repeated else []
        parts += [f"{self.processed} processed, {self.unmatched} unmatched"]
        parts += [f"{self.gone} could not be fetched"] if self.gone else []
        parts += [f"{self.left} left"] if self.left else []
        return ", ".join(parts)

    def _kinds(self) -> str:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        return f" ({counts})" if counts else ""

    def count(self, kinds: Mapping[str, int]) -> None:
        """Add to what the new mails are."""
        for kind, count in kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + count


def check(
    url: str | None,
    *,
    lease: timedelta = LEASE,
    opener: Opener = ImapMailbox,
    on_progress: Progress | None = None,
) -> Report:
    """Read the mailbox once; of two runs at a time the second ends at once and says so.

    Raises:
        MailboxError: the mailbox cannot be read; what was read before is kept.
    """
    if url is None:
        return Report(note=NO_MAILBOX)
    with unit_of_work() as connection:
        # A mail is moved once it is kept: a database that may be thrown away again must not.
        if pauses.is_paused(connection):
            return Report(note=f"not read: {pauses.PAUSED}")
        held = leases.take(connection, str(TaskName.CHECK_EMAIL_INBOX), lease)
    if isinstance(held, leases.Busy):
        return Report(note=f"already running since {held.since:%Y-%m-%dT%H:%M:%SZ}")
    try:
        report = _read(Address.parse(url), _Lease(held, lease), opener, on_progress)
    finally:
        insist(partial(leases.release, held=held))
    if report.left:
        bell.ring(TaskName.CHECK_EMAIL_INBOX)
    logger.info("mailbox read", extra={"new": report.new, "left": report.left})
    return report


def _read(
    address: Address, lease: "_Lease", opener: Opener, on_progress: Progress | None
) -> Report:
    mailbox = opener(address)
    try:
        run = _Run(mailbox, address.shown, lease)
        for _ in run.rounds():
            if on_progress:
                on_progress(run.report)
    finally:
        mailbox.close()
    return run.report


@dataclass(frozen=True, slots=True)
class _Lease:
    """The right to read, renewed with each group of mails."""

    held: leases.Held
    length: timedelta

    def renew(self) -> bool:
        """Hold on; False when another run has taken over."""
        with unit_of_work() as connection:
            return leases.renew(connection, self.held, self.length)


class _Run:
    """One pass over a mailbox."""

    def __init__(self, mailbox: Mailbox, name: str, lease: _Lease) -> None:
        self.report = Report()
        self._mailbox = mailbox
        self._name = name
        self._lease = lease
        with reading() as connection:
            self._last_uid = storing.progress(connection, name, mailbox.uid_validity)

    def rounds(self) -> Iterator[None]:
        """Take mails in, group after group, until none is left or the time is up."""
        stop_at = monotonic() + RUN_SECONDS
        waiting = self._waiting()
        self.report.left = len(waiting)
        for start in range(0, len(waiting), BATCH):
            batch = waiting[start : start + BATCH]
            fetched = 0
            for mails in self._mailbox.read(batch):
                if monotonic() > stop_at or stopping.is_asked() or not self._lease.renew():
                    return
                self._take_in(mails)
                fetched += len(mails)
                self.report.left -= len(mails)
                yield
            self.report.gone += len(batch) - fetched
            self.report.left -= len(batch) - fetched

    def _waiting(self) -> list[int]:
        """Return new mails first, then those that an earlier run has kept and not moved."""
        uids = self._mailbox.uids()
        new = [uid for uid in uids if uid > self._last_uid]
        old = [uid for uid in uids if uid <= self._last_uid]
        return new + (old if self._mailbox.can_move else [])

    def _take_in(self, mails: Sequence[Mail]) -> None:
        """Keep mails, work through them, move them; each step begins when the last is safe."""
        token, now = new_id(), utcnow()

        def keep(connection: Connection) -> list[storing.Kept]:
            kept = storing.keep(connection, mails, token, now, now + self._lease.length)
            last = max(self._last_uid, *(mail.uid for mail in mails))
            storing.remember(connection, self._name, self._mailbox.uid_validity, last, now)
            return kept

        kept = insist(keep)
        self._last_uid = max(self._last_uid, *(mail.uid for mail in mails))
        ids = [item.id for item in kept]
        insist(lambda connection: services.process(connection, token, ids))
        new_count = sum(item.is_new for item in kept)
        self.report.new += new_count
        self.report.repeated += len(kept) - new_count
        self._move(kept)

    def _move(self, kept: Sequence[storing.Kept]) -> None:
        with reading() as connection:
            places = storing.destinations(connection, kept)
            self.report.count(storing.kinds(connection, kept))
        self.report.processed += len(places[Folder.PROCESSED])
        self.report.unmatched += len(places[Folder.UNMATCHED])
        if self._mailbox.can_move:
            for folder, uids in places.items():
                self._mailbox.move(uids, folder)
