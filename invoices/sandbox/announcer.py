"""Calls back: tells the desk what became of an invoice, signed as Standard Webhooks ask.

A few threads of its own send what is due; whoever announces never waits for the network.
"""

import heapq
import itertools
import json
import logging
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from core.clock import rfc3339, utcnow
from core.http import Answer, Call, HttpClient
from core.ids import new_id
from core.webhooks import Secret, signed_headers
from invoices.sandbox.faults import Fault, report_for
from invoices.sandbox.ledger import CallbackNote, Entry, Ledger

RETRY_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Waits before a callback is tried again; then it is given up."""

TIMEOUT_SECONDS: Final = 10.0
"""How long one try may take."""

THREADS: Final = 4
BATCH: Final = 32
"""Callbacks that one thread sends side by side."""

_SUCCESS: Final = range(200, 300)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """One callback; `settled` is set when it was answered with 2xx or is given up."""

    body: bytes
    is_forged: bool
    note: CallbackNote
    settled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """A report's next try; ordered by when (monotonic seconds) and then by who came first."""

    at: float
    turn: int
    tries: int = field(compare=False)
    report: Report = field(compare=False)


class Announcer:
    """Posts reports to one URL, and again where they are not answered with 2xx."""

    def __init__(
        self,
        url: str,
        secret: Secret,
        ledger: Ledger,
        *,
        delay: float,
        retry_seconds: tuple[float, ...] = RETRY_SECONDS,
    ) -> None:
        """Prepare to call `url`; `delay` in seconds stands between acceptance and callback."""
        self._url = url
        self._secret = secret
        self._ledger = ledger
        self._delay = delay
        self._retry_seconds = retry_seconds
        self._turns = itertools.count()
        self._changed = threading.Condition()
        self._waiting: list[Due] = []
        self._is_stopping = False

    def start(self) -> None:
        """Start the threads that send."""
        for number in range(THREADS):
            threading.Thread(target=self._work, name=f"callback-{number}", daemon=True).start()

    def stop(self) -> None:
        """Send nothing more; what was still to be said is forgotten."""
        with self._changed:
            self._is_stopping = True
            forgotten, self._waiting = self._waiting, []
            self._changed.notify_all()
        for due in forgotten:
            due.report.settled.set()
        logger.info("callbacks stopped", extra={"forgotten": len(forgotten)})

    def announce(self, entry: Entry, fault: Fault, *, delay: float | None = None) -> Report:
        """Have the callback made that `fault` asks for; `duplicate` makes it a second time."""
        wait = self._delay if delay is None else delay
        status, detail = report_for(fault)
        note = CallbackNote(f"msg_{new_id()}", status)
        report = Report(_body(entry, note, detail, wait), fault is Fault.FORGED, note)
        self._ledger.note_callback(entry, note)
        self._queue(report, wait)
        if fault is Fault.DUPLICATE:
            self._queue(report, wait + 0.1)
        return report

    def _queue(self, report: Report, wait: float, tries: int = 0) -> None:
        """Let `report` be sent in `wait` seconds."""
        with self._changed:
            if self._is_stopping:
                report.settled.set()
                return
            heapq.heappush(
                self._waiting, Due(time.monotonic() + wait, next(self._turns), tries, report)
            )
            self._changed.notify()

    def _work(self) -> None:
        """Send what is due until the announcer stops."""
        client = HttpClient(allow_private=True, timeout_seconds=TIMEOUT_SECONDS)
        while batch := self._next_batch():
            try:
                self._send(client, batch)
            except Exception:
                logger.exception("callbacks could not be sent", extra={"count": len(batch)})
        client.close()

    def _next_batch(self) -> list[Due]:
        """Wait for reports that are due; an empty list means stop."""
        with self._changed:
            while not self._is_stopping:
                if self._waiting and self._waiting[0].at <= time.monotonic():
                    return self._pop_due()
                self._changed.wait(self._seconds_left())
            return []

    def _pop_due(self) -> list[Due]:
        """Take up to a batch of what is due; the lock is held."""
        now = time.monotonic()
        batch: list[Due] = []
        while self._waiting and self._waiting[0].at <= now and len(batch) < BATCH:
            batch.append(heapq.heappop(self._waiting))
        return batch

    def _seconds_left(self) -> float | None:
        """Return how long nothing will be due, None while nothing waits; the lock is held."""
        return max(0.0, self._waiting[0].at - time.monotonic()) if self._waiting else None

    def _send(self, client: HttpClient, batch: list[Due]) -> None:
        """Post a batch side by side; note each answer, and queue again what failed."""
        waiting: dict[Hashable, Due] = {due.turn: due for due in batch}
        for call, outcome in client.send([self._call(due) for due in batch]):
            answer = outcome.status if isinstance(outcome, Answer) else outcome.reason
            self._settle(waiting[call.key], answer)

    def _settle(self, due: Due, answer: int | str) -> None:
        """Note how a try was answered; try again after a growing wait, a few times."""
        report = due.report
        self._ledger.note_answer(report.note, answer)
        is_taken = answer in _SUCCESS
        if is_taken or due.tries >= len(self._retry_seconds):
            report.settled.set()
            level = logging.INFO if is_taken else logging.WARNING
            logger.log(
                level, "callback done", extra={"webhook_id": report.note.id, "answer": answer}
            )
            return
        self._queue(report, self._retry_seconds[due.tries], due.tries + 1)

    def _call(self, due: Due) -> Call:
        """Build the request, with a fresh timestamp and signature for each try."""
        report = due.report
        # A signature of another body has the right form and fits nothing.
        signed = b"forged " + report.body if report.is_forged else report.body
        headers = signed_headers([self._secret], report.note.id, int(utcnow().timestamp()), signed)
        return Call(
            key=due.turn,
            url=self._url,
            body=report.body,
            headers=(("Content-Type", "application/json"), *headers),
            is_repeatable=True,
        )


def _body(entry: Entry, note: CallbackNote, detail: str, wait: float) -> bytes:
    """Write a callback's JSON; it happens when it is due to be told, `wait` seconds from now."""
    return json.dumps(
        {
            "reference": entry.key,
            "id": entry.reference,
            "status": note.status,
            "occurred_at": rfc3339(utcnow() + timedelta(seconds=wait)),
            "detail": detail,
        }
    ).encode()
