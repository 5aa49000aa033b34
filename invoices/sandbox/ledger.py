"""What the sandbox remembers: in memory, by idempotency key, the newest first to be shown."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import islice
from typing import Final

from core.ids import new_id

KEYS_LIMIT: Final = 100_000
SHOWN_LIMIT: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One call that hands over an invoice."""

    key: str
    number: str
    recipient: str
    document: bytes


@dataclass(slots=True)
class CallbackNote:
    """One callback and how each try of it was answered: an HTTP status or the reason of failure."""

    id: str
    status: str
    answers: list[int | str] = field(default_factory=list)


@dataclass(slots=True)
class Entry:
    """All that is known of one key; `reference` is None until it is accepted."""

    key: str
    number: str
    recipient: str
    sha256: str
    attempts: int = 0
    reference: str | None = None
    callbacks: list[CallbackNote] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        """Return the entry as it is shown in `/received`."""
        return {
            "key": self.key,
            "number": self.number,
            "recipient": self.recipient,
            "sha256": self.sha256,
            "attempts": self.attempts,
            "accepted": self.reference is not None,
            "callbacks": [
                {"id": note.id, "status": note.status, "answers": list(note.answers)}
                for note in self.callbacks
            ],
        }


class Step(Enum):
    """What one call did to its key."""

    ACCEPTED = auto()  # for the first time; true once per key
    REPEATED = auto()  # accepted before, with the same document
    CONFLICT = auto()  # accepted before, with another document
    TURNED_AWAY = auto()  # not accepted this time


class Ledger:
    """The keys of all invoices that came in; the oldest are forgotten beyond `limit`."""

    def __init__(self, limit: int = KEYS_LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def take(self, submission: Submission, *, refused_times: float = 0) -> tuple[Step, Entry]:
        """Count the call; accept its key once that has been refused `refused_times` times."""
        sha256 = hashlib.sha256(submission.document).hexdigest()
        with self._lock:
            entry = self._entry_for(submission, sha256)
            entry.attempts += 1
            return self._decide(entry, sha256, refused_times), entry

    def note_callback(self, entry: Entry, note: CallbackNote) -> None:
        """Add a callback that is about to be made for `entry`."""
        with self._lock:
            entry.callbacks.append(note)

    def note_answer(self, note: CallbackNote, answer: int | str) -> None:
        """Add how one try of a callback was answered."""
        with self._lock:
            note.answers.append(answer)

    def newest(self) -> list[dict[str, object]]:
        """Return the newest keys, at most 1,000, each as a JSON object."""
        with self._lock:
            shown = islice(reversed(self._entries.values()), SHOWN_LIMIT)
            return [entry.to_json() for entry in shown]

    def _entry_for(self, submission: Submission, sha256: str) -> Entry:
        """Return the key's entry, making it (and forgetting the oldest) where there is none."""
        known = self._entries.get(submission.key)
        if known is not None:
            return known
        entry = Entry(submission.key, submission.number, submission.recipient, sha256)
        self._entries[submission.key] = entry
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)
        return entry

    @staticmethod
    def _decide(entry: Entry, sha256: str, refused_times: float) -> Step:
        """Say what becomes of the call that was just counted."""
        if entry.reference is not None:
            return Step.REPEATED if entry.sha256 == sha256 else Step.CONFLICT
        entry.sha256 = sha256
        if entry.attempts <= refused_times:
            return Step.TURNED_AWAY
        entry.reference = f"sbx-{new_id()}"
        return Step.ACCEPTED
