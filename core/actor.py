"""Who acts, why, and in which request: the words that histories and the audit show."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from core.staff import command_line_user

NOBODY_YET = "not logged in"
"""Who acts in a request until somebody has proved who he is."""

LONGEST = 200
LONGEST_REASON = 500


class Who(NamedTuple):
    """Who acts and why: `ann@example.com`, `source erp, key 4f1c…`, `task tasks.X`, `beat`."""

    name: str
    reason: str | None = None
    request_id: str | None = None


_who: ContextVar[Who | None] = ContextVar("kuvert_actor", default=None)


def begin_request(request_id: str) -> None:
    """Forget who acted in the request that this thread served before."""
    _who.set(Who(NOBODY_YET, None, request_id))


def forget() -> None:
    """Forget who acted: from here on it is whoever started the program."""
    _who.set(None)


def act_as(name: str, reason: str | None = None) -> None:
    """Name who acts from here to the end of the request.

    For a `before_request` of whoever authenticates people. Where the end is not that of a
    request, use `acting`.
    """
    _who.set(Who(name, reason, request_id()))


@contextmanager
def acting(name: str, reason: str | None = None) -> Iterator[None]:
    """Name who acts inside the block."""
    before = _who.set(Who(name, reason, request_id()))
    try:
        yield
    finally:
        _who.reset(before)


@contextmanager
def because(reason: str | None) -> Iterator[None]:
    """Say why, for what is changed inside the block; None leaves what was said before.

    Objects of a session are changed when they are flushed.
    """
    who = _who.get() or Who(command_line_user())
    before = _who.set(who._replace(reason=reason or who.reason))
    try:
        yield
    finally:
        _who.reset(before)


def current() -> str:
    """Return who acts; outside of requests, tasks and beat it is whoever started the program."""
    who = _who.get()
    return (who.name if who else command_line_user())[:LONGEST]


def reason() -> str | None:
    """Return why; None where nobody has said it."""
    who = _who.get()
    return who.reason[:LONGEST_REASON] if who and who.reason else None


def request_id() -> str | None:
    """Return the id of the request; None outside of one."""
    who = _who.get()
    return who.request_id if who else None
