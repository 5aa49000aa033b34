"""What `/metrics` says of invoices, money and providers."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, select

from core.clock import utcnow
from core.metrics.families import MOST, Family
from invoices import board
from invoices.models import Provider, ProviderState

PROVIDERS = Provider.__table__


def read(connection: Connection, now: datetime) -> Iterator[Family]:
    """Yield how many invoices are where, what is not delivered, and how providers are."""
    yield Family(
        "kuvert_invoices",
        f"Invoices at a status; {MOST:,} at most are counted.",
        ("status",),
        [((str(one.status),), one.count) for one in board.counts(connection, MOST)],
    )
    yield Family(
        "kuvert_invoices_oldest_age_seconds",
        "Seconds since the oldest invoice at a status was accepted.",
        ("status",),
        [
            ((str(one.status),), max(0.0, (utcnow() - one.created_at).total_seconds()))
            for one in board.oldest(connection)
        ],
    )
    yield from _money(connection)
    yield from _providers(connection, now)


def _money(connection: Connection) -> Iterator[Family]:
    found = board.undelivered(connection)
    yield Family(
        "kuvert_undelivered_amount",
        "Money of invoices that have not gone out, in units of the currency.",
        ("currency",),
        [((one.currency,), float(one.amount)) for one in found],
    )
    yield Family(
        "kuvert_undelivered_invoices",
        "Invoices that have not gone out.",
        ("currency",),
        [((one.currency,), one.invoice_count) for one in found],
    )


def _providers(connection: Connection, now: datetime) -> Iterator[Family]:
    columns = PROVIDERS.c
    shown = (columns.code, columns.state, columns.alarm, columns.closed_until)
    rows = connection.execute(select(*shown).order_by(columns.code)).all()
    yield Family(
        "kuvert_provider_active",
        "Whether staff let a provider have work.",
        ("provider",),
        [((row.code,), row.state == ProviderState.ACTIVE) for row in rows],
    )
    yield Family(
        "kuvert_provider_alarm",
        "Whether a provider refuses us, or its secret cannot be read.",
        ("provider",),
        [((row.code,), row.alarm is not None) for row in rows],
    )
    yield Family(
        "kuvert_provider_breaker_open",
        "Whether a provider is left in peace because it failed again and again.",
        ("provider",),
        [((row.code,), row.closed_until is not None and row.closed_until > now) for row in rows],
    )
