"""Columns that mean the same on every engine."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import insert, select
from sqlalchemy.exc import StatementError

from core.clock import utcnow
from core.db import reading, unit_of_work
from core.ids import new_id
from core.models import Lease
from core.types import Amount, UtcDateTime
from invoices.models import Report
from tests.support.factories import SourceWithKey

pytestmark = pytest.mark.every_case
every_database = pytest.mark.every_database

LEASES = Lease.__table__
REPORTS = Report.__table__


def moment_back(moment: datetime) -> datetime | None:
    row = {"name": "x", "holder": None, "token": 1, "since": moment, "until": utcnow()}
    with unit_of_work() as connection:
        connection.execute(insert(LEASES).values(row))
    with reading() as connection:
        return connection.scalar(select(LEASES.c.since))


def amount_back(source: SourceWithKey, amount: Decimal) -> Decimal | None:
    row = {
        "id": new_id(),
        "week": "2026-W47",
        "source_id": source.id,
        "currency": "EUR",
        "status": "sent",
        "invoice_count": 1,
        "payable_amount": amount,
        "tax_amount": Decimal(0),
        "computed_at": utcnow(),
    }
    with unit_of_work() as connection:
        connection.execute(insert(REPORTS).values(row))
    with reading() as connection:
        return connection.scalar(select(REPORTS.c.payable_amount))


@every_database
@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 22, 8, 30, 0, 123456, UTC),
        datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=1))),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ],
)
def test_a_moment_comes_back_in_utc_to_the_microsecond(app: Flask, moment: datetime) -> None:
    back = moment_back(moment)

    assert back == moment
    assert back is not None
    assert back.utcoffset() == timedelta(0)


@every_database
def test_a_moment_without_a_zone_is_refused(app: Flask) -> None:
    with pytest.raises(StatementError, match="naive datetime"):
        moment_back(datetime(2026, 11, 22))  # noqa: DTZ001 - what must be refused


@every_database
@pytest.mark.parametrize(
    "text", ["0", "0.1", "-0.0001", "99999999999999.9999", "-99999999999999.9999", "1E+3"]
)
def test_an_amount_comes_back_exactly(source: SourceWithKey, text: str) -> None:
    back = amount_back(source, Decimal(text))

    assert isinstance(back, Decimal)
    assert back == Decimal(text)


@pytest.mark.parametrize("text", ["0.00001", "NaN", "Infinity", "-Infinity"])
def test_an_amount_that_would_be_rounded_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"decimals|number"):
        Amount().process_bind_param(Decimal(text), None)  # type: ignore[arg-type]


def test_nothing_stays_nothing() -> None:
    for kind in (Amount(), UtcDateTime()):
        assert kind.process_bind_param(None, None) is None  # type: ignore[arg-type]
        assert kind.process_result_value(None, None) is None  # type: ignore[arg-type]
