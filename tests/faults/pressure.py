"""Billing systems that go on handing over whatever is the matter, and write down each answer."""

import http.client
import itertools
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.calls import Api
from tests.support.factories import invoice_json

NONE = 0
"""The status of a request that nobody answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it began, how long it took, and what came; times by the monotonic clock."""

    number: str
    began: float
    seconds: float
    status: int
    retry_after: str | None = None
    invoice_id: str | None = None
    problem: str = ""

    @property
    def ended(self) -> float:
        """When the answer came."""
        return self.began + self.seconds

    @property
    def is_taken(self) -> bool:
        """Whether the invoice was taken in."""
        return 200 <= self.status < 300


@dataclass
class Pressure:
    """Hands over until the block ends: `per_second` in all, from `threads` at once.

    Each invoice goes once, whatever comes of it; `insists`: until it is taken, with its key.
    """

    api: Api
    prefix: str
    threads: int = 8
    per_second: float = 20.0
    insists: bool = False
    most: int | None = None
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._is_over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hand over within the block."""
        threads = [threading.Thread(target=self._work) for _ in range(self.threads)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()

    @property
    def accepted(self) -> dict[str, str]:
        """Return the ids of what was answered 2xx, by number."""
        return {one.number: one.invoice_id or "" for one in list(self.answers) if one.is_taken}

    def between(self, start: float, end: float) -> list[Answer]:
        """Return the answers to requests that began in this time."""
        return [one for one in list(self.answers) if start <= one.began < end]

    def _work(self) -> None:
        gap = self.threads / self.per_second
        due = time.monotonic()
        while not self._is_over.wait(max(0.0, due - time.monotonic())):
            due = max(due + gap, time.monotonic() - gap)
            with self._lock:
                n = next(self._numbers)
            if self.most is not None and n > self.most:
                return
            number = f"{self.prefix}-{n:06}"
            while not self._hand_over(number) and self.insists and not self._is_over.wait(0.1):
                pass

    def _hand_over(self, number: str) -> bool:
        body, began = invoice_json(number=number), time.monotonic()
        try:
            reply = self.api.post("/invoices", body, Idempotency_Key=f"key-{number}")
        except (OSError, http.client.HTTPException) as error:
            seconds = time.monotonic() - began
            self.answers.append(Answer(number, began, seconds, NONE, problem=repr(error)))
            return False
        seconds = time.monotonic() - began
        is_taken = 200 <= reply.status < 300
        answer = Answer(
            number,
            began,
            seconds,
            reply.status,
            reply.headers.get("retry-after"),
            str(reply.json()["id"]) if is_taken else None,
            "" if is_taken else reply.body.decode(errors="replace")[:300],
        )
        self.answers.append(answer)
        return is_taken


def p95(answers: Iterable[Answer]) -> float:
    """Return the seconds that 95 of 100 answers did not take longer than."""
    return statistics.quantiles([one.seconds for one in answers], n=20)[-1]


def slowest(answers: Iterable[Answer]) -> float:
    """Return the seconds that the slowest answer took; 0 where there is none."""
    return max((one.seconds for one in answers), default=0.0)


def by_status(answers: Iterable[Answer]) -> dict[int, int]:
    """Count the answers by their status; `NONE` where there was no answer."""
    return dict(sorted(Counter(one.status for one in answers).items()))


def normal_after(answers: Sequence[Answer], since: float, *, run: int = 20) -> float:
    """Return the seconds from `since` to the last answer that was none of 2xx.

    After it at least `run` others were, or the fault is not over.
    """
    later = sorted((one for one in answers if one.ended >= since), key=lambda one: one.ended)
    bad = [index for index, one in enumerate(later) if not one.is_taken]
    assert later[(bad[-1] + 1 if bad else 0) :][run - 1 :], f"no {run} good ones: {later[-5:]}"
    return later[bad[-1]].ended - since if bad else 0.0
