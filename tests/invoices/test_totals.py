"""Weekly totals: which week, in which zone, and how much."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from core.clock import utcnow
from core.db import unit_of_work
from core.errors import InputError
from invoices.models import Report
from invoices.services import totals
from invoices.services.totals import Week
from tests.support import desk
from tests.support.factories import SourceWithKey, add_invoice, add_source, client_of

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
REPORTS = Report.__table__


def accepted(source: SourceWithKey, at: datetime, **changes: object) -> None:
    invoice_id = add_invoice(source, **changes)
    with unit_of_work() as connection:
        mine = desk.INVOICES.c.id == invoice_id
        connection.execute(update(desk.INVOICES).where(mine).values(created_at=at))


def compute(week: Week) -> list[dict[str, Any]]:
    with unit_of_work() as connection:
        return totals.compute(connection, week)


def store(week: Week) -> list[dict[str, Any]]:
    with unit_of_work() as connection:
        return totals.store(connection, week)


# Weeks


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("2026-W47", "2026-11-16", "2026-11-23"),
        ("2026-W01", "2025-12-29", "2026-01-05"),
        ("2026-W53", "2026-12-28", "2027-01-04"),
        ("2020-W53", "2020-12-28", "2021-01-04"),
    ],
)
def test_a_week_is_the_one_of_iso_8601(name: str, first: str, last: str) -> None:
    week = Week.named(name, UTC)

    assert week.name == name
    assert (str(week.start.date()), str(week.end.date())) == (first, last)


@pytest.mark.parametrize(
    "name",
    ["", "2026-47", "2026-W00", "2025-W53", "2026-W54", "0000-W01", "2026-W47\n", "٢٠٢٦-W01"],
)
def test_what_is_no_week_is_refused(name: str) -> None:
    with pytest.raises(InputError) as error:
        Week.named(name, UTC)

    assert error.value.findings[0].where == "/week"


def test_a_week_has_the_hours_its_zone_gives_it() -> None:
    assert Week.named("2026-W13", BERLIN).end - Week.named("2026-W13", BERLIN).start == timedelta(7)
    utc = [moment.astimezone(UTC) for moment in _ends("2026-W13")]
    assert utc[1] - utc[0] == timedelta(days=7, hours=-1)
    utc = [moment.astimezone(UTC) for moment in _ends("2026-W43")]
    assert utc[1] - utc[0] == timedelta(days=7, hours=1)


def _ends(name: str) -> tuple[datetime, datetime]:
    week = Week.named(name, BERLIN)
    return week.start, week.end


@pytest.mark.parametrize(
    ("moment", "zone", "name"),
    [
        (datetime(2026, 11, 23, 23, 0, tzinfo=UTC), UTC, "2026-W47"),
        (datetime(2026, 11, 22, 23, 30, tzinfo=UTC), UTC, "2026-W46"),
        (datetime(2026, 11, 22, 23, 30, tzinfo=UTC), BERLIN, "2026-W47"),
        (datetime(2026, 11, 23, 4, 0, tzinfo=UTC), NEW_YORK, "2026-W46"),
        (datetime(2027, 1, 4, 0, 0, tzinfo=UTC), UTC, "2026-W53"),
    ],
)
def test_the_last_week_is_the_one_that_is_over_in_the_zone(
    moment: datetime, zone: ZoneInfo, name: str
) -> None:
    assert Week.before(moment, zone).name == name


# Sums


@pytest.mark.every_database
def test_a_week_begins_and_ends_in_its_zone(source: SourceWithKey) -> None:
    week = Week.named("2026-W47", BERLIN)
    second = timedelta(seconds=1)
    for at in (week.start - second, week.start, week.end - second, week.end):
        accepted(source, at.astimezone(UTC))

    [row] = compute(week)

    assert row["invoice_count"] == 2


@pytest.mark.every_database
def test_totals_are_exact_per_source_currency_and_status(app: Flask) -> None:
    one, two = add_source("a"), add_source("b", provider=None)
    at = datetime(2026, 11, 18, tzinfo=UTC)
    line = {"description": "x", "quantity": "1", "unit_price": "0.10", "net_amount": "0.10"}
    small = {"lines": [line], "tax_amount": None, "payable_amount": "0.10"}
    for _ in range(3):
        accepted(one, at, **small)
    accepted(one, at, currency="SEK")
    accepted(two, at)

    rows = compute(Week.named("2026-W47", UTC))

    names = ("source", "currency", "status", "invoice_count", "payable_amount", "tax_amount")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("a", "EUR", "ready", 3, Decimal("0.30"), Decimal(0)),
        ("a", "SEK", "ready", 1, Decimal("119.00"), Decimal("19.00")),
        ("b", "EUR", "held", 1, Decimal("119.00"), Decimal("19.00")),
    ]


@pytest.mark.every_database
def test_running_it_again_changes_nothing_else(source: SourceWithKey) -> None:
    week, other = Week.named("2026-W47", UTC), Week.named("2026-W46", UTC)
    accepted(source, week.start)
    accepted(source, other.start)

    store(other)
    first = store(week)
    second = store(week)

    assert first == second
    assert [row.week for row in desk.rows(REPORTS)] == ["2026-W46", "2026-W47"]


@pytest.mark.every_database
def test_what_was_kept_stays_as_it_was(source: SourceWithKey, api: FlaskClient) -> None:
    week = Week.before(utcnow(), UTC)
    accepted(source, week.start)
    store(week)
    desk.change(desk.INVOICES, status="sent")

    [total] = api.get("/api/v1/reports/totals").get_json()["totals"]

    assert total["status"] == "ready"


@pytest.mark.every_database
def test_a_week_that_was_not_kept_is_added_up(source: SourceWithKey, api: FlaskClient) -> None:
    week = Week.named("2026-W40", UTC)
    accepted(source, week.start)

    body = api.get("/api/v1/reports/totals?week=2026-W40").get_json()

    assert (body["week"], body["from"], body["to"], body["is_final"]) == (
        "2026-W40", "2026-09-28T00:00:00Z", "2026-10-05T00:00:00Z", True,
    )  # fmt: skip
    assert body["totals"] == [
        {
            "source": "erp",
            "currency": "EUR",
            "status": "ready",
            "invoice_count": 1,
            "payable_amount": "119.00",
            "tax_amount": "19.00",
        }
    ]
    assert desk.rows(REPORTS) == []


def test_a_week_that_is_not_over_is_not_final(api: FlaskClient) -> None:
    # The next one, where this one is over before it is asked for.
    year, number, _ = (utcnow() + timedelta(minutes=10)).isocalendar()

    body = api.get(f"/api/v1/reports/totals?week={year}-W{number:02}").get_json()

    assert (body["is_final"], body["totals"]) == (False, [])


def test_a_source_sees_its_own_totals_alone(app: Flask, api: FlaskClient) -> None:
    other = add_source()
    accepted(other, datetime(2026, 9, 28, tzinfo=UTC))
    store(Week.named("2026-W40", UTC))

    path = "/api/v1/reports/totals?week=2026-W40"
    assert api.get(path).get_json()["totals"] == []
    assert len(client_of(app, other.key).get(path).get_json()["totals"]) == 1


@pytest.mark.parametrize(
    ("query", "status"), [("week=now", 422), ("weeks=2026-W40", 422), ("week=", 422)]
)
def test_a_query_that_cannot_be_read_is_refused(api: FlaskClient, query: str, status: int) -> None:
    assert api.get(f"/api/v1/reports/totals?{query}").status_code == status


def test_a_key_needs_the_scope(app: Flask) -> None:
    source = add_source(scopes=("invoices:read",))

    assert client_of(app, source.key).get("/api/v1/reports/totals").status_code == 403
