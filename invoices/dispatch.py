"""The work of one message: take a batch, hand it over, record how it ended."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from uuid import UUID

from sqlalchemy import Connection

from core import metrics, pace
from core.db import LONG, insist
from core.ids import new_id
from core.pump import Message, put_back, renew
from invoices.channels import Channel, Envelope, Result
from invoices.models import ChannelName, Outcome
from invoices.services import attempts, claims, outcomes

RECORD_EVERY = 100
"""Results are recorded in sets of this many, when nothing ends for a moment, and at the end."""


@dataclass(slots=True)
class Work:
    """A batch on its way: its provider, what the message asked for, and our own token.

    `unsent`: attempts that were begun and of which no byte will leave. `started`: when the
    channel took those that are under way. `is_through`: it has taken all that there was.
    """

    batch: claims.Batch
    message: Message
    own: UUID
    unsent: list[Envelope] = field(default_factory=list)
    started: dict[UUID, float] = field(default_factory=dict)
    is_through: bool = False
    fate: pace.Fate = field(default_factory=pace.Fate)


def send_batch(channel: Channel, batch: claims.Batch, message: Message) -> int:
    """Hand over the deliveries that still carry the message's token; return how many were tried.

    No transaction is open while the provider answers. When nothing but trouble comes back, the
    worker is told to stop, or the channel takes no more, what is under way ends and the rest is
    handed back.
    """
    work = Work(batch, message, new_id())
    results: list[tuple[Envelope, Result]] = []
    count = 0

    def record() -> None:
        _record(work, results)
        results.clear()
        _hold_on(work)

    for envelope, result in channel.deliver(batch.route, _envelopes(work), record):
        results.append((envelope, result))
        seconds = perf_counter() - work.started.pop(envelope.delivery_id)
        metrics.attempt(work.batch.route.code, str(result.outcome), seconds)
        work.fate.note(is_trouble=result.is_provider_trouble)
        count += 1
        if len(results) == RECORD_EVERY or not batch.route.is_idempotent:
            record()
    _record(work, results, is_over=True)
    if not work.is_through:
        _hand_back(work)
    return count


def _envelopes(work: Work) -> Iterator[Envelope]:
    """Begin attempts and yield their envelopes.

    Where the provider honours no key, each attempt is committed right before its own send: a
    crash then leaves in doubt only what was really under way.
    """
    message = work.message
    ids = message.ids
    sets = [ids] if work.batch.route.is_idempotent else [[item] for item in ids]
    for some in sets:
        if work.fate.must_end:
            return
        begun = deque(insist(partial(_begin, work=work, ids=some)))
        while begun and not work.fate.must_end:
            envelope = begun.popleft()
            work.started[envelope.delivery_id] = perf_counter()
            yield envelope
        work.unsent.extend(begun)
    work.is_through = not work.unsent


def _begin(connection: Connection, work: Work, ids: Sequence[UUID]) -> list[Envelope]:
    has_letters = work.batch.route.channel == ChannelName.SMTP
    return attempts.begin(
        connection, work.batch.provider_id, work.message, work.own, ids, has_letters=has_letters
    )


def _hand_back(work: Work) -> None:
    """Make due again what was begun but not sent, and what was not begun."""
    result = Result(outcome=Outcome.HANDED_BACK, detail="not sent: the batch was ended before")
    _record(work, [(envelope, result) for envelope in work.unsent])
    message = work.message
    insist(lambda connection: put_back(connection, claims.DELIVERIES, message.token, message.ids))


def _hold_on(work: Work) -> None:
    """Renew our claim while the provider takes its time: only a dead worker's rows come back."""
    message = work.message
    if work.fate.wants_renewal(message.lease):
        table, own = claims.DELIVERIES, work.own
        insist(lambda connection: renew(connection, table, own, message.ids, message.lease))


def _record(
    work: Work, results: Sequence[tuple[Envelope, Result]], *, is_over: bool = False
) -> None:
    """Write how attempts ended; the provider's answers exist nowhere else, so insist for long."""
    if results or is_over or work.fate.turns_slow():
        insist(partial(_write, work=work, results=results, is_over=is_over), LONG)


def _write(
    connection: Connection,
    *,
    work: Work,
    results: Sequence[tuple[Envelope, Result]],
    is_over: bool,
) -> None:
    provider_id = work.batch.provider_id
    if results:
        outcomes.record(connection, provider_id, work.own, results)
    pace.keep(connection, claims.PROVIDERS, provider_id, work.fate.seconds, is_over=is_over)
