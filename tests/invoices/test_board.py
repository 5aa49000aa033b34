"""What the start page says of invoices."""

from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import update

from core.db import reading, unit_of_work
from invoices import board
from invoices.board import Count, Money
from status.models import Status
from tests.support import desk
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database


def add(source: SourceWithKey, status: str, **changes: object) -> object:
    invoice_id = add_invoice(source, **changes)
    with unit_of_work() as connection:
        mine = desk.INVOICES.c.id == invoice_id
        connection.execute(update(desk.INVOICES).where(mine).values(status=status))
    return invoice_id


def counts(most: int = board.MOST) -> dict[str, Count]:
    with reading() as connection:
        return {str(one.status): one for one in board.counts(connection, most)}


def undelivered() -> list[Money]:
    with reading() as connection:
        return board.undelivered(connection)


def test_an_empty_desk_has_nothing_anywhere(app: Flask) -> None:
    with reading() as connection:
        assert [one.count for one in board.counts(connection)] == [0] * len(Status)
        assert board.oldest(connection) == []
        assert board.undelivered(connection) == []


def test_each_status_is_counted(source: SourceWithKey) -> None:
    for status in ("failed", "failed", "delivered"):
        add(source, status)

    found = counts()

    assert {name: one.count for name, one in found.items() if one.count} == {
        "failed": 2, "delivered": 1,
    }  # fmt: skip
    assert not found["failed"].is_more


def test_beyond_a_bound_nobody_counts_on(source: SourceWithKey) -> None:
    for _ in range(3):
        add(source, "failed")

    assert counts(most=2)["failed"] == Count(Status.FAILED, 2, is_more=True)


def test_the_oldest_of_each_status_that_waits_is_named(source: SourceWithKey) -> None:
    first, _ = add(source, "failed"), add(source, "failed")
    add(source, "delivered")
    held = add(source, "held")

    with reading() as connection:
        found = {str(one.status): one.invoice_id for one in board.oldest(connection)}

    assert found == {"held": held, "failed": first}


def test_money_that_was_not_delivered_is_added_up_by_currency(source: SourceWithKey) -> None:
    add(source, "failed")
    add(source, "held")
    add(source, "unknown", currency="SEK")
    add(source, "delivered")
    add(source, "sent")
    add(source, "cancelled")

    assert undelivered() == [
        Money("EUR", Decimal("238.00"), 2, is_more=False),
        Money("SEK", Decimal("119.00"), 1, is_more=False),
    ]


def test_a_sum_that_is_not_whole_says_so(
    source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "MOST_MONEY", 1)
    for _ in range(2):
        add(source, "failed")

    assert undelivered() == [Money("EUR", Decimal("119.00"), 1, is_more=True)]
