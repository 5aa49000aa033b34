"""Failed logins: counted in the database, so that all web processes count together.

Each attempt is counted before the password is looked at, and taken back when it was right: a
thousand at once are as many as a thousand in a row. Three counts decide, and what is refused
looks the same whether the account exists or not:

- account and address together: after 5 failures the next try waits 5 s, then 10 s, … 15 minutes;
- the address alone, over all accounts: the same after 100;
- the account alone, from wherever: the same after 50. It does not bind an address from which its
  owner logged in before, so nobody can lock a known user out for good.

A count is forgotten a day after its last failure. Codes of second factors are counted apart from
passwords: who knows a password could otherwise try codes without end.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from sqlalchemy import (
    BindParameter,
    Case,
    Column,
    Connection,
    case,
    delete,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from core.people.models import LoginFailure, User
from core.types import UtcDateTime

FAILURES = LoginFailure.__table__
USERS = User.__table__

FORGOTTEN_AFTER = timedelta(hours=24)
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)
_MOST_DOUBLINGS = 10
_HOST_BITS = 64


class Proof(StrEnum):
    """What somebody proves who they are with; of a link, asking for one is counted."""

    PASSWORD = "password"  # noqa: S105 - the word
    CODE = "code"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Count:
    """One of the counts of an attempt: its row, and how many failures are free."""

    key: str
    account: str | None
    free: int


FREE_PAIR = 5
FREE_ACCOUNT = 50
FREE_ADDRESS = 100


def begin(
    connection: Connection, proof: Proof, email: str, address: str, now: datetime
) -> timedelta | None:
    """Count an attempt; return how long to wait when it must not even be tried, else None.

    `email` is what was given, in its normal form where it has one.
    """
    connection.execute(delete(FAILURES).where(FAILURES.c.last_at < now - FORGOTTEN_AFTER))
    counts = list(_counts(connection, proof, email, address))
    wait = _wait(connection, counts, now)
    if wait is None and not all(_add(connection, one, now) for one in counts):
        # Somebody else's failure has locked it since.
        wait = _wait(connection, counts, now) or FIRST_WAIT
    return wait


def passed(connection: Connection, proof: Proof, email: str, address: str, now: datetime) -> None:
    """Take back what `begin` counted at `now`: it was right. The pair begins anew."""
    pair, *others = (one.key for one in _counts(connection, proof, email, address))
    connection.execute(delete(FAILURES).where(FAILURES.c.key == pair))
    # A lock that somebody else's failure has set since stays.
    lock = case((FAILURES.c.last_at == now, None), else_=FAILURES.c.locked_until)
    lowered = {"count": FAILURES.c.count - 1, "locked_until": lock}
    connection.execute(update(FAILURES).where(FAILURES.c.key.in_(others)).values(lowered))


def forget(connection: Connection, email: str) -> None:
    """Forget all failures of an account, from wherever they came."""
    accounts = [_digest(proof, email) for proof in Proof]
    connection.execute(delete(FAILURES).where(FAILURES.c.account.in_(accounts)))


def _counts(connection: Connection, proof: Proof, email: str, address: str) -> Iterator[Count]:
    """Yield what this attempt is counted under, the pair first."""
    account, here = _digest(proof, email), _place(address)
    yield Count(_digest(proof, email, here), account, FREE_PAIR)
    yield Count(_digest(proof, "", here), None, FREE_ADDRESS)
    if not _is_known(connection, email, here):
        yield Count(account, account, FREE_ACCOUNT)


def _digest(proof: Proof, *parts: str) -> str:
    text = "\0".join((proof, *parts))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _is_known(connection: Connection, email: str, here: str) -> bool:
    """Tell whether the account's owner logged in from this place before."""
    found = select(USERS.c.current_login_ip, USERS.c.last_login_ip).where(USERS.c.email == email)
    row = connection.execute(found).one_or_none()
    return row is not None and here in {_place(address or "") for address in row}


def _place(address: str) -> str:
    """Return what is counted as one address: of IPv6 the network of 64 bits, which one host has."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(IPv6Network((found, _HOST_BITS), strict=False))
    return str(found)


def _wait(connection: Connection, counts: list[Count], now: datetime) -> timedelta | None:
    """Return how long the longest lock of these lasts; None when there is none."""
    rows = select(FAILURES.c.locked_until).where(FAILURES.c.key.in_([one.key for one in counts]))
    locks = [until for until in connection.scalars(rows) if until is not None and until > now]
    return max(locks) - now if locks else None


def _add(connection: Connection, one: Count, now: datetime) -> bool:
    """Raise one count, and lock it where too many have failed; False when it is locked."""
    if _raise(connection, one, now):
        return True
    row = {"key": one.key, "account": one.account, "count": 1, "last_at": now}
    try:
        with connection.begin_nested():
            connection.execute(insert(FAILURES).values(row))
    except IntegrityError:
        # It is locked, or another process made the row at the same moment.
        return _raise(connection, one, now)
    return True


def _raise(connection: Connection, one: Count, now: datetime) -> bool:
    """Raise the count of a row that is there and not locked."""
    is_open = or_(FAILURES.c.locked_until.is_(None), FAILURES.c.locked_until <= now)
    # In this order: MySQL gives a later assignment the value of an earlier one.
    values: tuple[tuple[Column[Any], object], ...] = (
        (FAILURES.c.locked_until, _lock(one, now)),
        (FAILURES.c.count, FAILURES.c.count + 1),
        (FAILURES.c.last_at, now),
    )
    statement = update(FAILURES).where(FAILURES.c.key == one.key, is_open).ordered_values(*values)
    return connection.execute(statement).rowcount == 1


def _lock(one: Count, now: datetime) -> Case[datetime | None]:
    """Return until when the row is locked should this attempt fail, by the count before it."""
    waits = (min(FIRST_WAIT * 2**step, LONGEST_WAIT) for step in range(_MOST_DOUBLINGS))
    steps = {one.free - 1 + step: now + wait for step, wait in enumerate(waits)}
    known = [(FAILURES.c.count == count, _moment(until)) for count, until in steps.items()]
    return case(*known, (FAILURES.c.count > max(steps), _moment(now + LONGEST_WAIT)), else_=None)


def _moment(value: datetime) -> BindParameter[datetime]:
    return literal(value, UtcDateTime())
