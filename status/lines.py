"""What the log says of invoices on their way: which went where, and which pushes were taken.

One line for up to a hundred of the same kind. By `invoice_id` and `delivery_id` the lines of a
request, of the tasks that followed and of the pushes can be joined.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar
from uuid import UUID

from core.db import after_commit
from status.models import Status

if TYPE_CHECKING:
    from status.services import Change

_T = TypeVar("_T")

logger = logging.getLogger("kuvert.invoices")

MOST_IDS = 100
"""Ids in one line: about eight kilobytes, which every receiver takes whole."""


class _About(Protocol):
    """What a line is about."""

    @property
    def invoice_id(self) -> UUID | None: ...

    @property
    def delivery_id(self) -> UUID | None: ...


class Pushed(_About, Protocol):
    """A push, as far as its line needs it."""

    @property
    def event_id(self) -> UUID:
        """The event that is pushed."""
        ...


def say(changes: "Iterable[Change]") -> None:
    """Log where invoices have gone, once the transaction has committed."""
    kinds: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for change in changes:
        if change.to_status != change.from_status:
            kinds[str(change.to_status), str(change.cause)].append(change)
    for (status, cause), some in kinds.items():
        # Of what is sent a second line says how it ended.
        level = logging.DEBUG if status == Status.SENDING else logging.INFO
        after_commit(partial(_say, level, some, invoice_status=status, cause=cause))


def _say(level: int, changes: "Sequence[Change]", **more: object) -> None:
    _write(level, "invoices moved", changes, **more)


def say_pushes(subscription_id: UUID, pushes: Sequence[Pushed], *, is_taken: bool) -> None:
    """Log pushes that a subscriber has taken, or has not."""
    about = {"subscription_id": subscription_id, "is_taken": is_taken}
    for some in _cut(pushes):
        events = _one_or_many([push.event_id for push in some])
        _write(logging.INFO, "events pushed", some, event_id=events, **about)


def _write(level: int, text: str, items: Sequence[_About], **more: object) -> None:
    if not logger.isEnabledFor(level):
        return
    for some in _cut(items):
        ids = {
            "invoice_id": _one_or_many([item.invoice_id for item in some]),
            "delivery_id": _one_or_many([item.delivery_id for item in some]),
        }
        logger.log(level, text, extra={"count": len(some), **ids, **more})


def _one_or_many(ids: Iterable[UUID | None]) -> str | list[str] | None:
    """Return one id as text, more as a list: a search for one finds both."""
    shown = [str(one) for one in ids if one is not None]
    return shown[0] if len(shown) == 1 else shown or None


def _cut(items: Sequence[_T]) -> Iterable[Sequence[_T]]:
    return (items[start : start + MOST_IDS] for start in range(0, len(items), MOST_IDS))
