"""What the report of a week says: sums per currency, status and source beside the week before.

Amounts of different currencies are never added. A week that was kept is taken as it was kept, so
that a mail that is sent again says the same; one that was not is added up from the invoices.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from sqlalchemy import Connection

from core.clock import utcnow
from invoices.services import totals
from invoices.services.totals import Week
from status.models import Status

WEEKS_SHOWN = 6
"""Weeks of the chart, the reported one included."""

STUCK = frozenset({Status.HELD, Status.UNKNOWN, Status.UNDELIVERABLE, Status.FAILED})
"""Where an invoice stays until somebody of staff does something."""

UNDERWAY = frozenset({Status.READY, Status.SENDING, Status.RETRY_WAIT})

UNDELIVERED = STUCK | UNDERWAY
"""Not handed over to anybody. `sent` is: it is not counted here, and never as delivered."""

Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sum:
    """Invoices added up: how many, and what is to be paid (EN 16931 BT-115) in one currency."""

    count: int = 0
    amount: Decimal = Decimal(0)

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(self.count + other.count, self.amount + other.amount)


@dataclass(frozen=True, slots=True)
class Pair:
    """The week and the one before it."""

    now: Sum = Sum()
    before: Sum = Sum()

    @property
    def change(self) -> Decimal:
        """Return by how much the amount has grown."""
        return self.now.amount - self.before.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One group: a source, a currency, a status. `tax` is BT-110 of this week."""

    source: str
    currency: str
    status: str
    sums: Pair
    tax: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    """All of one currency; `weeks` are its sums by the names of weeks, the oldest first."""

    code: str
    all: Pair
    undelivered: Pair
    stuck: Pair
    statuses: Mapping[str, Pair]
    weeks: Mapping[str, Sum]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The report of `week`, whose totals are of `computed_at`."""

    week: Week
    before: Week
    computed_at: datetime
    count: int
    count_before: int
    currencies: Sequence[Currency]
    lines: Sequence[Line]


def read(connection: Connection, week: Week) -> Figures:
    """Read what the report of `week` says."""
    return put_together(week, {one.name: _rows(connection, one) for one in weeks_of(week)})


def put_together(week: Week, rows: Mapping[str, Sequence[Row]]) -> Figures:
    """Compare the totals of `week` with those of the week before; `rows` has them by week."""
    before = weeks_of(week)[-2]
    own, old = rows[week.name], rows[before.name]
    lines = list(_lines(own, old))
    sums = {name: _by_currency(found) for name, found in rows.items()}
    codes = sorted({line.currency for line in lines}, key=lambda code: _rank(sums[week.name], code))
    return Figures(
        week=week,
        before=before,
        computed_at=own[0].get("computed_at", utcnow()) if own else utcnow(),
        count=sum(row["invoice_count"] for row in own),
        count_before=sum(row["invoice_count"] for row in old),
        currencies=[_currency(code, lines, sums) for code in codes],
        lines=lines,
    )


def weeks_of(week: Week) -> list[Week]:
    """Return the weeks of the chart, the oldest first."""
    zone = week.start.tzinfo
    # A moment in the middle: a week's length differs where clocks change.
    middle = week.start + timedelta(days=3)
    back = (middle - timedelta(days=7 * steps) for steps in range(WEEKS_SHOWN - 2, -1, -1))
    return [*(Week.before(moment, zone) for moment in back if zone), week]


def _rows(connection: Connection, week: Week) -> Sequence[Row]:
    return totals.stored(connection, week) or totals.compute(connection, week)


def _sum(row: Row) -> Sum:
    return Sum(row["invoice_count"], row["payable_amount"])


def _lines(now: Iterable[Row], before: Iterable[Row]) -> Iterable[Line]:
    """Yield each group that has invoices in one of the two weeks, by source and currency."""
    own = {_key(row): row for row in now}
    old = {_key(row): row for row in before}
    for key in sorted({*own, *old}):
        source, currency, status = key
        yield Line(
            source=source,
            currency=currency,
            status=status,
            sums=Pair(
                _sum(own[key]) if key in own else Sum(), _sum(old[key]) if key in old else Sum()
            ),
            tax=own[key]["tax_amount"] if key in own else Decimal(0),
        )


def _key(row: Row) -> tuple[str, str, str]:
    return row["source"], row["currency"], row["status"]


def _by_currency(rows: Iterable[Row]) -> dict[str, Sum]:
    found: dict[str, Sum] = defaultdict(Sum)
    for row in rows:
        found[row["currency"]] += _sum(row)
    return found


def _rank(sums: Mapping[str, Sum], code: str) -> tuple[int, str]:
    """Order currencies by how many invoices they have, the most first."""
    return -sums.get(code, Sum()).count, code


def _currency(code: str, lines: Iterable[Line], sums: Mapping[str, Mapping[str, Sum]]) -> Currency:
    own = [line for line in lines if line.currency == code]
    order = [str(status) for status in Status]
    present = sorted({line.status for line in own}, key=order.index)
    return Currency(
        code=code,
        all=_added(own),
        undelivered=_added(line for line in own if line.status in UNDELIVERED),
        stuck=_added(line for line in own if line.status in STUCK),
        statuses={word: _added(line for line in own if line.status == word) for word in present},
        weeks={name: by_code.get(code, Sum()) for name, by_code in sums.items()},
    )


def _added(lines: Iterable[Line]) -> Pair:
    found = Pair()
    for line in lines:
        found = Pair(found.now + line.sums.now, found.before + line.sums.before)
    return found
