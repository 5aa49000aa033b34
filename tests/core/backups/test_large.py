"""A backup of 100,000 invoices with their documents: time and memory, and every row again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import text

from core.backups import restoring, taking
from core.backups.archive import Reader
from core.database import Database
from core.ids import new_id
from invoices.models import Delivery, Document, Invoice, Provider, Source
from tests.core.backups.conftest import contents, fresh
from tests.support.command import ROOT
from tests.support.databases import ENGINES
from tests.support.environment import ENVIRON

INVOICES = 100_000
PAGE = 1000
MOST_MIB = 400
NOW = datetime(2026, 11, 22, tzinfo=UTC)

pytestmark = pytest.mark.storm


@pytest.mark.parametrize("engine_name", ENGINES)
def test_a_hundred_thousand_invoices_come_back_within_bounded_memory(
    engine_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with fresh(engine_name, tmp_path / "a") as database:
        fill(database)
        url = database.url.render_as_string(hide_password=False).replace("+pysqlite", "")
        path = tmp_path / "big.zip"

        # A file that somebody has open is not replaced.
        database.close()
        took, peak = run(tmp_path, url, "backup", str(path))
        again, peak_again = run(tmp_path, url, "restore", str(path), "--force")

        reader = Reader(path)
        expected = contents(reader.manifest)
        reader.close()
        assert expected["invoices"][0] == expected["documents"][0] == INVOICES
        assert contents(taking.take(database, tmp_path / "look.zip")) == expected
        with database.single() as connection:
            assert "invoices" in restoring.filled(connection)
            assert connection.scalar(text("SELECT count(*) FROM dispatch_pauses")) == 1
    with capsys.disabled():
        size = path.stat().st_size / 2**20
        print(
            f"\n{engine_name}: backup {took:.0f} s, {peak:.0f} MiB; restore {again:.0f} s,"
            f" {peak_again:.0f} MiB; file {size:.0f} MiB"
        )
    assert max(peak, peak_again) < MOST_MIB


def run(home: Path, url: str, *arguments: str) -> tuple[float, float]:
    """Run a command; returns its seconds and the most memory it had, in MiB."""
    plain = {name: text for name, text in os.environ.items() if not name.startswith("KUVERT_")}
    given = {**plain, **ENVIRON, "KUVERT_HOME": str(home), "KUVERT_DATABASE_URL": url}
    began = monotonic()
    process = subprocess.Popen([sys.executable, str(ROOT / "manage.py"), *arguments], env=given)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return monotonic() - began, usage.ru_maxrss / 1024


def fill(database: Database) -> None:
    """Put invoices, documents of about 3 kB and deliveries in."""
    source, provider = new_id(), new_id()
    with database.engine.connect().execution_options(kuvert_write=True) as connection:
        with connection.begin():
            database.insert_many(connection, Provider.__table__, [provider_row(provider)])
            database.insert_many(connection, Source.__table__, [source_row(source, provider)])
        for start in range(0, INVOICES, PAGE):
            pages: tuple[list[dict[str, object]], ...] = ([], [], [])
            for number in range(start, start + PAGE):
                for page, row in zip(pages, rows(number, source, provider), strict=True):
                    page.append(row)
            with connection.begin():
                tables = (Invoice.__table__, Document.__table__, Delivery.__table__)
                for table, page in zip(tables, pages, strict=True):
                    database.insert_many(connection, table, page)


def rows(number: int, source: object, provider: object) -> Iterator[dict[str, object]]:
    invoice, document, delivery = new_id(), new_id(), new_id()
    body = (f'{{"number": "{number}", "text": "' + f"Grün {number} " * 250 + '"}').encode()
    yield {
        "id": invoice,
        "source_id": source,
        "number": str(number),
        "issue_date": NOW.date(),
        "issue_year": 2026,
        "type_code": "380",
        "currency": "EUR",
        "seller_key": "blau",
        "seller_name": "Blau",
        "buyer_name": "Grün AG",
        "payable_amount": Decimal(number),
        "line_count": 1,
        "syntax": "json",
        "labels": {"n": str(number)},
        "status": "sent",
        "status_sequence": 1,
        "current_delivery_id": delivery,
        "created_at": NOW + timedelta(seconds=number),
    }
    yield {
        "id": document,
        "invoice_id": invoice,
        "role": "original",
        "media_type": "application/json",
        "size": len(body),
        "sha256": sha256(body).hexdigest(),
        "body": body,
    }
    yield {
        "id": delivery,
        "invoice_id": invoice,
        "document_id": document,
        "provider_id": provider,
        "recipient": "deliver@sandbox.example",
        "origin": "first",
        "state": "sent",
        "attempt_count": 1,
        "created_at": NOW,
    }


def source_row(key: object, provider: object) -> dict[str, object]:
    row = {"id": key, "name": "erp", "environment": "test", "provider_id": provider}
    return row | {"is_disabled": False, "created_at": NOW}


def provider_row(key: object) -> dict[str, object]:
    return {
        "id": key,
        "code": "sandbox",
        "channel": "sandbox",
        "is_idempotent": True,
        "callback_profile": "standard-webhooks",
        "callback_secret_refs": [],
        "settings": {},
        "concurrency": 16,
        "state": "active",
        "failures": 0,
        "version": 1,
        "created_at": NOW,
    }
