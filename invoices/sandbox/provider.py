"""How the sandbox treats an invoice: accepts or refuses it, and reports what became of it."""

import logging
import threading
from typing import Final

from invoices.sandbox.announcer import Announcer
from invoices.sandbox.faults import REFUSALS, UNREPORTED, Fault, Refusal, Reply, fault_for
from invoices.sandbox.ledger import Entry, Ledger, Step, Submission

EARLY_SECONDS: Final = 20.0
"""How long `early@` waits for its callback's 2xx; a caller gives up after 30 s."""

_NEVER: Final = Refusal(Reply(500, {}), times=0)
_CONFLICT: Final = Reply(422, {"reason": "this Idempotency-Key came with another document before"})

logger = logging.getLogger(__name__)


class Provider:
    """The provider itself, free of HTTP; without an announcer it reports nothing."""

    def __init__(self, ledger: Ledger, announcer: Announcer | None, slow_seconds: float) -> None:
        self.ledger = ledger
        self._announcer = announcer
        self._slow_seconds = slow_seconds
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Wake every call that is being kept waiting."""
        self._stopping.set()

    def receive(self, submission: Submission) -> Reply | None:
        """Take one call in; None means that its caller must never get an answer."""
        fault = fault_for(submission.recipient)
        refusal = REFUSALS.get(fault, _NEVER)
        step, entry = self.ledger.take(submission, refused_times=refusal.times)
        logger.info("sandbox call", extra={"dispatch_key": entry.key, "step": step.name.lower()})
        if step is Step.CONFLICT:
            return _CONFLICT
        if step is Step.TURNED_AWAY:
            return refusal.reply
        if step is Step.ACCEPTED:
            self._report(entry, fault)
        return self._answer(entry, fault)

    def _report(self, entry: Entry, fault: Fault) -> None:
        """Have the callbacks made that this fault asks for; wait for them where it is `early`."""
        if self._announcer is None or fault in UNREPORTED:
            return
        if fault is Fault.EARLY:
            self._announcer.announce(entry, fault, delay=0).settled.wait(EARLY_SECONDS)
            return
        self._announcer.announce(entry, fault)

    def _answer(self, entry: Entry, fault: Fault) -> Reply | None:
        """Return the answer to an accepted invoice, in the time that this fault takes."""
        if fault is Fault.TIMEOUT:
            return None
        if fault is Fault.SLOW:
            self._stopping.wait(self._slow_seconds)
        return Reply(202, {"id": entry.reference, "sha256": entry.sha256})
