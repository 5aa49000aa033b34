"""A desk with very many invoices: `python -m tests.support.million URL [COUNT]`.

Rows are written straight into the tables, where there are many by the engine itself, with a
history of years behind them: nearly all are delivered, some thousands wait for somebody. What a
row says is arithmetic on its number, so that two fillings are alike and a test knows what it will
find.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from time import perf_counter
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, insert, select, text

from callbacks.models import Callback
from core.database import Database
from invoices.models import Delivery, Document, Invoice, Provider, Source
from invoices.searching import search_text
from status.models import Push, Status, StatusEvent, Subscription
from tests.support import million_sql

MILLION = 1_000_000
PAGE = 20_000
EVERY = 10
"""One in so many invoices has a callback and a push: they are larger, and lists are alike."""

FIRST_DAY = datetime(2023, 1, 2, tzinfo=UTC)
STEP = timedelta(seconds=100)
"""Between two invoices: a million are three years."""

RARE = (
    Status.HELD,
    Status.READY,
    Status.SENDING,
    Status.RETRY_WAIT,
    Status.UNKNOWN,
    Status.UNDELIVERABLE,
    Status.FAILED,
    Status.CANCELLED,
)
CURRENCIES = ("EUR", "EUR", "EUR", "SEK", "USD", "GBP", "JPY")
TOWNS = (
    "Aarhus",
    "Bremen",
    "Cadiz",
    "Dublin",
    "Espoo",
    "Florenz",
    "Gdansk",
    "Haarlem",
    "Innsbruck",
)
TRADES = (
    "Bakery",
    "Carpenters",
    "Dairy",
    "Engineering",
    "Florists",
    "Garage",
    "Hospital",
    "Imports",
)
BODY = json.dumps({"number": "one of many"}).encode()
DIGEST = sha256(BODY).hexdigest()


class Desk(NamedTuple):
    """Whose rows they are."""

    source_id: UUID
    provider_id: UUID
    subscription_id: UUID


def fill(database: Database, count: int = MILLION) -> Desk:
    """Fill an empty, migrated database with `count` invoices and all that belongs to them."""
    with database.engine.begin() as connection:
        desk = _owners(connection)
    if count > PAGE and million_sql.can(database):
        million_sql.fill(database, count, words_of(database, desk))
        return desk
    for start in range(0, count, PAGE):
        with database.engine.begin() as connection:
            _page(database, connection, desk, range(start, min(start + PAGE, count)))
    _settle(database)
    return desk


def words_of(database: Database, desk: Desk) -> million_sql.Words:
    """Return what the engine needs to write the same rows by itself."""
    is_hex = database.engine.name == "sqlite"
    owners = {name.removesuffix("_id"): key for name, key in desk._asdict().items()}
    return million_sql.Words(
        owners={name: key.hex if is_hex else str(key) for name, key in owners.items()},
        rare=[str(status) for status in RARE],
        currencies=CURRENCIES,
        towns=TOWNS,
        trades=TRADES,
        body=BODY,
        digest=DIGEST,
        first_second=int(FIRST_DAY.timestamp()),
        every=EVERY,
    )


def status_of(number: int) -> Status:
    """Return where invoice `number` stands: one in 200 waits for somebody, one in 50 is sent."""
    if number % 200 == 7:
        return RARE[number // 200 % len(RARE)]
    return Status.SENT if number % 50 == 3 else Status.DELIVERED


def number_of(number: int) -> str:
    """Return what the invoice is called (BT-1)."""
    return f"R-{_moment(number):%Y}-{number:08}"


def buyer_of(number: int) -> str:
    """Return the buyer's name (BT-44)."""
    town, trade = TOWNS[number % len(TOWNS)], TRADES[number // 9 % len(TRADES)]
    return f"{town} {trade} {number % 5000}"


def _moment(number: int) -> datetime:
    return FIRST_DAY + number * STEP


def id_of(kind: int, number: int) -> UUID:
    """Return the id of a row, a UUIDv7 of its moment; `kind` keeps tables apart."""
    milliseconds = int(_moment(number).timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | kind << 64 | 2 << 62 | number)


def _owners(connection: Connection) -> Desk:
    desk = Desk(id_of(1, 0), id_of(2, 0), id_of(3, 0))
    provider = {
        "id": desk.provider_id, "code": "sandbox", "channel": "sandbox", "url": None,
        "is_idempotent": True, "callback_profile": "standard-webhooks",
        "callback_secret_refs": [], "settings": {}, "concurrency": 16, "state": "active",
        "failures": 0, "version": 1, "created_at": FIRST_DAY,
    }  # fmt: skip
    source = {
        "id": desk.source_id, "name": "erp", "environment": "test",
        "provider_id": desk.provider_id, "is_disabled": False, "created_at": FIRST_DAY,
    }  # fmt: skip
    subscription = {
        "id": desk.subscription_id, "source_id": desk.source_id, "url": "https://erp.example/hook",
        "event_types": [], "state": "active", "secret_numbers": [1], "failures": 0, "version": 1,
        "created_at": FIRST_DAY,
    }  # fmt: skip
    for model, row in ((Provider, provider), (Source, source), (Subscription, subscription)):
        connection.execute(insert(model.__table__).values(row))
    return desk


def _page(database: Database, connection: Connection, desk: Desk, numbers: range) -> None:
    """Write the rows of some invoices, table by table."""
    some = [number for number in numbers if number % EVERY == 0]
    for model, rows in (
        (Invoice, [_invoice(desk, number) for number in numbers]),
        (Document, [_document(number) for number in numbers]),
        (Delivery, [_delivery(desk, number) for number in numbers]),
        (StatusEvent, [_event(desk, number) for number in numbers]),
        (Callback, [_callback(desk, number) for number in some]),
        (Push, [_push(desk, number) for number in some]),
    ):
        database.insert_many(connection, model.__table__, rows)


def _invoice(desk: Desk, number: int) -> dict[str, Any]:
    moment = _moment(number)
    return {
        "id": id_of(4, number),
        "source_id": desk.source_id,
        "number": number_of(number),
        "issue_date": moment.date(),
        "issue_year": moment.year,
        "type_code": "380",
        "currency": CURRENCIES[number % len(CURRENCIES)],
        "due_date": moment.date() + timedelta(days=30),
        "seller_key": "blau & söhne",
        "seller_name": "Blau & Söhne",
        "buyer_name": buyer_of(number),
        "payable_amount": Decimal(number % 100_000) / 4,
        "tax_amount": Decimal(number % 19_000) / 4,
        "line_count": 1 + number % 9,
        "syntax": "json",
        "external_id": f"erp-{number:08}",
        "labels": {},
        "status": str(status_of(number)),
        "status_sequence": 1,
        "current_delivery_id": id_of(6, number),
        "created_at": moment,
    }


def _document(number: int) -> dict[str, Any]:
    return {
        "id": id_of(5, number),
        "invoice_id": id_of(4, number),
        "role": "original",
        "media_type": "application/json",
        "size": len(BODY),
        "sha256": DIGEST,
        "body": BODY,
        "search_text": search_text(number_of(number), f"erp-{number:08}", buyer_of(number)),
    }


def _delivery(desk: Desk, number: int) -> dict[str, Any]:
    status = status_of(number)
    waits = status in {Status.READY, Status.SENDING, Status.RETRY_WAIT}
    return {
        "id": id_of(6, number),
        "invoice_id": id_of(4, number),
        "document_id": id_of(5, number),
        "provider_id": desk.provider_id,
        "recipient": "deliver@sandbox.example",
        "origin": "first",
        "reason": None,
        "state": str(status),
        "due_at": _moment(number) if waits else None,
        "lease_token": None,
        "attempt_count": 0 if status in {Status.HELD, Status.READY} else 1,
        "provider_reference": f"ref-{number}",
        "created_at": _moment(number),
    }


def _event(desk: Desk, number: int) -> dict[str, Any]:
    return {
        "id": id_of(7, number),
        "invoice_id": id_of(4, number),
        "source_id": desk.source_id,
        "sequence": 1,
        "from_status": None,
        "to_status": str(status_of(number)),
        "cause": "intake",
        "delivery_id": id_of(6, number),
        "actor": None,
        "note": None,
        "occurred_at": _moment(number),
        "recorded_at": _moment(number),
    }


def _callback(desk: Desk, number: int) -> dict[str, Any]:
    is_rare = number % 2000 == 0
    return {
        "id": id_of(8, number),
        "provider_id": desk.provider_id,
        "kind": "webhook",
        "headers": {},
        "body": BODY,
        "body_sha256": DIGEST,
        "dedupe_key": f"event-{number}",
        "conflict_sha256": None,
        "state": "unmapped" if is_rare else "applied",
        "note": None,
        "provider_status": "delivered",
        "delivery_id": id_of(6, number),
        "occurred_at": _moment(number),
        "due_at": None,
        "lease_token": None,
        "look_count": 1,
        "received_at": _moment(number),
        "finished_at": _moment(number),
    }


def _push(desk: Desk, number: int) -> dict[str, Any]:
    return {
        "id": id_of(9, number),
        "subscription_id": desk.subscription_id,
        "event_id": id_of(7, number),
        "replay": 0,
        "event_type": "invoice.delivered",
        "payload": "{}",
        "state": "exhausted" if number % 2000 == 0 else "delivered",
        "due_at": None,
        "lease_token": None,
        "attempt_count": 1,
        "created_at": _moment(number),
        "finished_at": _moment(number),
    }


def _settle(database: Database) -> None:
    """Let the engine know what it has now, as it would after a night."""
    statements = {
        "postgresql": ("SET statement_timeout = 0", "VACUUM ANALYZE"),
        "sqlite": ("ANALYZE",),
        "mysql": ("ANALYZE TABLE invoices, deliveries, callbacks, pushes",),
    }
    with database.single() as connection:
        for statement in statements[database.engine.name]:
            connection.execute(text(statement))


def main(url: str, count: str = str(MILLION)) -> None:
    """Fill the database at `url`."""
    began = perf_counter()
    database = Database(url)
    fill(database, int(count))
    with database.single() as connection:
        newest = select(Invoice.__table__.c.number).order_by(Invoice.__table__.c.id.desc()).limit(1)
        print(f"{connection.scalar(newest)} in {perf_counter() - began:.0f} s")
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
