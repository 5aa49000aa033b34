"""Pushing events to subscribers: claim, post, record; each try signed afresh."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    and_,
    func,
    or_,
    select,
    update,
)

from core import log_context, metrics, pace
from core.clock import utcnow
from core.db import LONG, database, insist
from core.http import Answer, Call, Failure, client_for_this_thread
from core.ids import new_id
from core.pump import Group, Message, renew
from core.settings import Settings
from core.webhooks import Secret, signed_headers
from status import lines, push_outcomes
from status.models import Push, PushState, StatusEvent, Subscription, SubscriptionState
from status.push_outcomes import Post
from status.signing import live_secrets

PUSHES = Push.__table__
EVENTS = StatusEvent.__table__
SUBSCRIPTIONS = Subscription.__table__

CONCURRENCY = 8
"""Posts to one subscriber that may be under way in one batch."""

TIMEOUT_SECONDS = 15.0


def _is_open(now: datetime) -> ColumnElement[bool]:
    columns = SUBSCRIPTIONS.c
    return and_(
        columns.state == SubscriptionState.ACTIVE,
        or_(columns.closed_until.is_(None), columns.closed_until <= now),
    )


def _with_due(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a subscription is open and has a push that is due.

    By the earliest one, not by EXISTS: PostgreSQL turns that into a join which reads every row
    that is due, and this is one look per subscription.
    """
    return and_(_is_open(now), _earliest(now).is_not(None))


def _earliest(now: datetime) -> ScalarSelect[datetime]:
    """Return when the first push of the outer query's subscription that is due was due."""
    columns = PUSHES.c
    mine = and_(columns.subscription_id == SUBSCRIPTIONS.c.id, columns.due_at <= now)
    earliest = select(columns.due_at).where(mine).order_by(columns.due_at).limit(1)
    return earliest.correlate(SUBSCRIPTIONS).scalar_subquery()


def has_due(connection: Connection, now: datetime) -> bool:
    """Return whether any push is due; one indexed look per subscription."""
    found = connection.execute(select(SUBSCRIPTIONS.c.id).where(_with_due(now)).limit(1))
    return found.first() is not None


def oldest(connection: Connection, now: datetime) -> datetime | None:
    """Return since when the first push is due that a subscriber may be sent."""
    each = select(_earliest(now).label("due_at")).where(_is_open(now)).subquery()
    found: datetime | None = connection.scalar(select(func.min(each.c.due_at)))
    return found


def claim(connection: Connection, limit: int, token: UUID, until: datetime) -> list[Group]:
    """Take due pushes for `token`, a fair share for each subscription.

    One that has just been left in peace gets a single push, to see whether it is well again;
    one that is slow gets no more than its pace allows.
    """
    now = utcnow()
    columns = SUBSCRIPTIONS.c
    statement = select(columns.id, columns.closed_until, columns.pace).where(_with_due(now))
    found = connection.execute(statement).all()
    groups = []
    for row in found:
        mine = PUSHES.c.subscription_id == row.id
        share = 1 if row.closed_until else max(1, limit // len(found))
        share = min(share, pace.room(connection, PUSHES, mine, row.pace, now))
        values = {"lease_token": token, "due_at": until}
        ids = _claim_of(connection, mine, share, now, values) if share else []
        if ids:
            groups.append(Group(ids))
    return groups


def _claim_of(
    connection: Connection,
    mine: ColumnElement[bool],
    limit: int,
    now: datetime,
    values: Mapping[str, object],
) -> list[UUID]:
    return database().claim(
        connection,
        PUSHES,
        where=and_(mine, PUSHES.c.due_at <= now),
        values=values,
        order_by=PUSHES.c.due_at,
        limit=limit,
        skip_locked=True,
    )


@dataclass(frozen=True, slots=True)
class Target:
    """The subscription of a batch: where to post and what to sign with."""

    id: UUID
    url: str
    secrets: Sequence[Secret]


def post_batch(message: Message, settings: Settings) -> int:
    """Post the pushes that still carry the message's token; return how many were tried.

    No transaction is open while the subscriber answers. When nothing but trouble comes back, or
    the worker is told to stop, what is under way ends and the rest is handed back.
    """
    own = new_id()
    posts, target = insist(partial(_prepare, message=message, own=own, settings=settings))
    if target is None:
        return 0
    batch = _Batch(target.id, own, message)
    for post, end in _send(target, posts, settings, batch):
        batch.note(post, end)
    batch.record(is_over=True)
    if batch.count < len(posts):
        insist(partial(_hand_back, own=own, ids=list(posts)))
    return batch.count


@dataclass(slots=True)
class _Batch:
    """A batch on its way; ends are written when nothing ends for a moment, and at the end."""

    subscription_id: UUID
    own: UUID
    message: Message
    count: int = 0
    fate: pace.Fate = field(default_factory=pace.Fate)
    ends: list[tuple[Post, Answer | Failure]] = field(default_factory=list)

    def note(self, post: Post, end: Answer | Failure) -> None:
        """Count one end."""
        self.ends.append((post, end))
        metrics.push(push_outcomes.in_a_word(end), end.seconds)
        self.count += 1
        self.fate.note(is_trouble=not push_outcomes.is_done(end))

    def record(self, *, is_over: bool = False) -> None:
        """Write what has ended since the last time."""
        if self.ends or is_over or self.fate.turns_slow():
            ends, self.ends = self.ends, []
            insist(partial(self._write, ends=ends, is_over=is_over), LONG)
            for is_taken in (True, False):
                some = [post for post, end in ends if push_outcomes.is_done(end) == is_taken]
                lines.say_pushes(self.subscription_id, some, is_taken=is_taken)
        message = self.message
        if self.fate.wants_renewal(message.lease):
            insist(
                lambda connection: renew(connection, PUSHES, self.own, message.ids, message.lease)
            )

    def _write(
        self,
        connection: Connection,
        *,
        ends: list[tuple[Post, Answer | Failure]],
        is_over: bool,
    ) -> None:
        mine = self.subscription_id
        push_outcomes.record(connection, mine, self.own, ends)
        pace.keep(connection, SUBSCRIPTIONS, mine, self.fate.seconds, is_over=is_over)


def _prepare(
    connection: Connection, message: Message, own: UUID, settings: Settings
) -> tuple[dict[UUID, Post], Target | None]:
    posts = _begin(connection, message, own)
    return posts, _target(connection, posts, settings)


def _begin(connection: Connection, message: Message, own: UUID) -> dict[UUID, Post]:
    """Take the pushes over from the message; a second message finds nothing."""
    now = utcnow()
    columns = PUSHES.c
    mine = and_(database().among(columns.id, message.ids), columns.lease_token == message.token)
    values: Mapping[str, Any] = {
        "lease_token": own,
        "due_at": now + message.lease,
        "attempt_count": columns.attempt_count + 1,
    }
    ids = database().claim(connection, PUSHES, where=mine, values=values)
    wanted = (columns.id, columns.event_id, columns.attempt_count, columns.payload)
    statement: Select[Any] = (
        select(*wanted, EVENTS.c.invoice_id, EVENTS.c.delivery_id)
        .outerjoin(EVENTS, EVENTS.c.id == columns.event_id)
        .where(database().among(columns.id, ids))
        .order_by(columns.created_at, columns.id)
    )
    return {row.id: _post(row, now) for row in connection.execute(statement)}


def _post(row: Row[Any], now: datetime) -> Post:
    return Post(
        id=row.id,
        event_id=row.event_id,
        attempt=row.attempt_count,
        body=row.payload.encode(),
        started_at=now,
        invoice_id=row.invoice_id,
        delivery_id=row.delivery_id,
    )


def _target(
    connection: Connection, posts: Mapping[UUID, Post], settings: Settings
) -> Target | None:
    """Return where the batch goes; None, and the pushes put back, when it must not go now."""
    if not posts:
        return None
    now = utcnow()
    first = next(iter(posts))
    row = connection.execute(
        select(SUBSCRIPTIONS, _is_open(now).label("may_get_work"))
        .join(PUSHES, PUSHES.c.subscription_id == SUBSCRIPTIONS.c.id)
        .where(PUSHES.c.id == first)
    ).one()
    if not row.may_get_work:
        _return(connection, row, list(posts))
        return None
    return Target(row.id, row.url, live_secrets(row, settings.secret_key, now))


def _hand_back(connection: Connection, own: UUID, ids: Sequence[UUID]) -> None:
    """Undo `_begin` for what was not posted and still carries our token."""
    columns = PUSHES.c
    mine = and_(database().among(columns.id, ids), columns.lease_token == own)
    values = {
        "lease_token": None,
        "due_at": utcnow(),
        "attempt_count": columns.attempt_count - 1,
    }
    connection.execute(update(PUSHES).where(mine).values(values))


def _return(connection: Connection, subscription: Row[Any], ids: Sequence[UUID]) -> None:
    """Undo `_begin` for a subscription that was closed or stopped in the meantime."""
    is_stopped = subscription.state != SubscriptionState.ACTIVE
    values = {
        "lease_token": None,
        "due_at": utcnow() if is_stopped else subscription.closed_until,
        "state": str(PushState.PARKED if is_stopped else PushState.PENDING),
        "attempt_count": PUSHES.c.attempt_count - 1,
    }
    connection.execute(update(PUSHES).where(database().among(PUSHES.c.id, ids)).values(values))


def _send(
    target: Target, posts: Mapping[UUID, Post], settings: Settings, batch: _Batch
) -> Iterator[tuple[Post, Answer | Failure]]:
    """Post each push, signed with every live secret at the time of its own try."""
    client = client_for_this_thread(
        allow_private=settings.allow_private_targets,
        timeout_seconds=TIMEOUT_SECONDS,
        concurrency=CONCURRENCY,
    )
    wanted = takewhile(lambda _: not batch.fate.must_end, posts.values())
    calls = (_call(target, post) for post in wanted)
    for call, end in client.send(calls, on_pause=batch.record):
        yield posts[UUID(str(call.key))], end


def _call(target: Target, post: Post) -> Call:
    timestamp = int(utcnow().timestamp())
    signed = signed_headers(target.secrets, str(post.event_id), timestamp, post.body)
    return Call(
        key=post.id,
        url=target.url,
        body=post.body,
        headers=(
            ("Content-Type", "application/json"),
            ("User-Agent", "Kuvert"),
            *signed,
            *_ids(post),
        ),
        is_repeatable=True,
    )


def _ids(post: Post) -> Iterator[tuple[str, str]]:
    """Yield what our log knows this push by, beside what its body and its signature say."""
    if post.delivery_id is not None:
        yield "Kuvert-Delivery-Id", str(post.delivery_id)
    if task_id := log_context.bound().get("task_id"):
        yield "X-Request-ID", str(task_id)
