"""What monthly partitions of the status events would cost and save on PostgreSQL.

`python -m tests.benchmarks.partitions [EVENTS]` makes a database of its own on the PostgreSQL of
the tests, fills the same events into a table as ours is and into one with a partition for each
month, prints what takes how long in both, as a table for docs/retention.md, and removes it.
"""

# ruff: noqa: S608 - statements are put together from our own words

import secrets
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, create_engine, text

from core.database.postgresql import PostgresqlDatabase
from core.ids import first_id_of
from tests.support.databases import SERVERS

EVENTS = 1_000_000
PER_INVOICE = 5
MONTHS = 24
BATCH = 500
LOOKS = 300
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
COLUMNS = """
    id uuid NOT NULL, invoice_id uuid NOT NULL REFERENCES invoices (id), source_id uuid NOT NULL,
    sequence integer NOT NULL, from_status varchar(20), to_status varchar(20) NOT NULL,
    cause varchar(20) NOT NULL, delivery_id uuid, actor varchar(200), note varchar(2000),
    occurred_at timestamptz NOT NULL, recorded_at timestamptz NOT NULL
"""
FACTS = ("id", "invoice_id", "source_id", "sequence", "to_status")
# An id with its time in front, as ours have it: the n-th event is n steps after the first.
EVENT_ID = """
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '8'
     || lpad(to_hex(n), 15, '0'))::uuid
"""


def main(events: int) -> None:
    """Measure and print."""
    server, always_there, _ = SERVERS["postgresql"]
    own = f"kuvert_bench_{secrets.token_hex(4)}"
    admin = create_engine(f"{server}/{always_there}", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {own}")
    engine = create_engine(f"{server}/{own}", isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            build(connection, events)
            print(f"{events:,} events of {events // PER_INVOICE:,} invoices over {MONTHS} months")
            print("| what | one table | a partition a month |\n|---|---|---|")
            for what, measure in MEASURES.items():
                found = [measure(connection, table) for table in ("plain", "parted")]
                print(f"| {what} | {' | '.join(found)} |", flush=True)
    finally:
        engine.dispose()
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {own} WITH (FORCE)")
        admin.dispose()


def month(number: int) -> datetime:
    """Return the beginning of a month, counted from the first."""
    years, months = divmod(number, 12)
    return FIRST.replace(year=FIRST.year + years, month=1 + months)


def build(connection: Connection, events: int) -> None:
    """Make both tables with the same rows, each with the indexes that it can have."""
    run = connection.exec_driver_sql
    run("CREATE TABLE invoices (id uuid PRIMARY KEY)")
    run(
        "CREATE TABLE history_passes (table_name text, verb text, before_id uuid, owner text,"
        " opened_at timestamptz)"
    )
    run(f"CREATE TABLE plain ({COLUMNS}, PRIMARY KEY (id), UNIQUE (invoice_id, sequence))")
    # A unique rule must hold the partition's key: of (invoice_id, sequence) there can be none.
    run(f"CREATE TABLE parted ({COLUMNS}, PRIMARY KEY (id)) PARTITION BY RANGE (id)")
    for number in range(MONTHS):
        begin, end = (first_id_of(month(number + more)) for more in (0, 1))
        run(
            f"CREATE TABLE parted_{number} PARTITION OF parted"
            f" FOR VALUES FROM ('{begin}') TO ('{end}')"
        )
    invoices = events // PER_INVOICE
    run(f"INSERT INTO invoices SELECT md5(n::text)::uuid FROM generate_series(1, {invoices}) n")
    span = (month(MONTHS) - FIRST) / events
    rows = f"""
        SELECT {EVENT_ID}, md5((1 + (n - 1) / {PER_INVOICE})::text)::uuid, md5('erp')::uuid,
               1 + mod(n - 1, {PER_INVOICE}), 'sending', 'sent', 'dispatch', NULL, NULL,
               'accepted by the provider', at, at
        FROM (SELECT n, timestamptz '{FIRST.isoformat()}' + (n - 1) * interval
              '{span.total_seconds():.6f} seconds' AS at
              FROM generate_series(1, {events}) n) numbered
    """
    for table in ("plain", "parted"):
        run(f"INSERT INTO {table} {rows}")
        run(f"CREATE INDEX ON {table} (source_id, id)")
    run("CREATE INDEX ON parted (invoice_id, sequence)")
    for table in ("plain", "parted"):
        for statement in (
            *PostgresqlDatabase.append_only(table)[:2],
            *PostgresqlDatabase.guarded(table, FACTS),
        ):
            run(statement)
        run(f"VACUUM ANALYZE {table}")


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """Measure the block in seconds."""
    begin = time.perf_counter()
    end: list[float] = []
    yield lambda: end[0]
    end.append(time.perf_counter() - begin)


def median(connection: Connection, statement: str) -> str:
    """Run a statement with `:n` many times; return what it takes in the middle."""
    took = []
    for number in range(1, LOOKS + 1):
        with timed() as seconds:
            connection.execute(text(statement), {"n": number * 577}).all()
        took.append(seconds())
    return f"{statistics.median(took) * 1000:.2f} ms"


def history(connection: Connection, table: str) -> str:
    """Read the events of one invoice, as its page and the API do."""
    mine = f"SELECT * FROM {table} WHERE invoice_id = md5(CAST(:n AS text))::uuid"
    return median(connection, f"{mine} ORDER BY sequence")


def newest(connection: Connection, table: str) -> str:
    """Look an event up by its number, as retention does for each invoice."""
    mine = f"SELECT id FROM {table} WHERE invoice_id = md5(CAST(:n AS text))::uuid"
    return median(connection, f"{mine} AND sequence = 5")


def feed(connection: Connection, table: str) -> str:
    """Read a page of the feed of the last month."""
    since = first_id_of(month(MONTHS - 1))
    mine = f"SELECT * FROM {table} WHERE source_id = md5('erp')::uuid AND id > '{since}'"
    return median(connection, f"{mine} AND :n > 0 ORDER BY id LIMIT 200")


def insert(connection: Connection, table: str) -> str:
    """Append a hundred events in a statement, as a batch of deliveries does."""
    took = []
    for number in range(LOOKS):
        first = 10_000_000 + number * 100
        at = f"timestamptz '{(month(MONTHS) - timedelta(hours=1)).isoformat()}'"
        with timed() as seconds:
            connection.exec_driver_sql(
                f"INSERT INTO {table} SELECT {EVENT_ID}, md5((1 + mod(n, 1000))::text)::uuid,"
                " md5('erp')::uuid, n, 'ready', 'sending', 'dispatch', NULL, NULL, NULL, at, at"
                f" FROM (SELECT n, {at} AS at FROM generate_series({first}, {first + 99}) n) x"
            )
        took.append(seconds())
    return f"{statistics.median(took) * 1000:.2f} ms"


def remove(connection: Connection, table: str) -> str:
    """Remove the oldest month: by batches through a pass, or by dropping its partition."""
    with timed() as seconds:
        count = _in_batches(connection, table, first_id_of(month(1)).hex)
    batches = f"{seconds():.2f} s ({count:,} events)"
    if table == "plain":
        return batches
    with timed() as seconds:
        connection.exec_driver_sql("DROP TABLE parted_1")
    return f"{batches}; a DROP {seconds() * 1000:.0f} ms"


def _in_batches(connection: Connection, table: str, before: str) -> int:
    opened = f"'{table}', 'delete', '{before}', pg_current_xact_id()::text, clock_timestamp()"
    oldest = f"WHERE id < '{before}' ORDER BY id LIMIT {BATCH}"
    count = found = 0
    while found == BATCH or not count:
        statements = (
            "BEGIN",
            f"INSERT INTO history_passes VALUES ({opened})",
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} {oldest})",
            "DELETE FROM history_passes",
            "COMMIT",
        )
        found = [connection.exec_driver_sql(one) for one in statements][2].rowcount
        count += found
    return count


MEASURES: dict[str, Callable[[Connection, str], str]] = {
    "the history of one invoice": history,
    "one event by invoice and number": newest,
    "200 events of the feed": feed,
    "100 events appended": insert,
    "the oldest month removed": remove,
}

if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)
