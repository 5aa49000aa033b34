"""The rows of `tests.support.million` as statements: the engine writes a million in a minute.

Each table is one INSERT … SELECT over the numbers of its invoices. That both ways give the same
rows is a test (tests/core/test_million.py). Indexes that only make reading quick are built at the
end, and foreign keys are not looked up: what is written here refers to what is written here.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Connection, text

from core.database import Database

PAGE = 200_000
_ID_KINDS = {"invoice": 4, "document": 5, "delivery": 6, "event": 7, "callback": 8, "push": 9}


class Words(NamedTuple):
    """What `million` says of its rows; the arithmetic on the number is here once more."""

    owners: Mapping[str, str]
    """Source, provider and subscription, as ids are written."""

    rare: Sequence[str]
    currencies: Sequence[str]
    towns: Sequence[str]
    trades: Sequence[str]
    body: bytes
    digest: str
    first_second: int
    """The moment of invoice 0, in seconds since 1970."""

    every: int


class _Engine:
    """How one engine writes ids, moments and digits."""

    indexes = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @staticmethod
    def numbers(some: range) -> str:
        raise NotImplementedError

    @staticmethod
    def id_of(kind: int, milliseconds: str) -> str:
        raise NotImplementedError

    @staticmethod
    def digits(number: str) -> str:
        raise NotImplementedError

    @staticmethod
    def moment(second: str) -> str:
        raise NotImplementedError

    @staticmethod
    def day(second: str) -> str:
        raise NotImplementedError

    @staticmethod
    def year(second: str) -> str:
        raise NotImplementedError

    @staticmethod
    def bytes_of(body: bytes) -> str:
        raise NotImplementedError


class _Postgresql(_Engine):
    indexes = (
        "SELECT x.indexrelid::regclass::text, pg_get_indexdef(x.indexrelid) FROM pg_index x"
        " WHERE x.indrelid IN (SELECT to_regclass(unnest(string_to_array(:tables, ','))))"
        " AND NOT x.indisunique"
    )
    before = (
        "SET statement_timeout = 0",
        "SET idle_in_transaction_session_timeout = 0",
        "SET synchronous_commit = off",
        "SET maintenance_work_mem = '512MB'",
        "SET session_replication_role = replica",
        "BEGIN",
    )
    after = ("COMMIT", "RESET ALL", "SET statement_timeout = 0", "VACUUM ANALYZE", "RESET ALL")

    @staticmethod
    def numbers(some: range) -> str:
        return f"generate_series({some[0]}::bigint, {some[-1]}, {some.step}) AS t(n)"

    @staticmethod
    def id_of(kind: int, milliseconds: str) -> str:
        return (
            f"(lpad(to_hex({milliseconds}), 12, '0') || '7{kind:03x}8'"
            " || lpad(to_hex(n), 15, '0'))::uuid"
        )

    @staticmethod
    def digits(number: str) -> str:
        return f"lpad(({number})::text, 8, '0')"

    @staticmethod
    def moment(second: str) -> str:
        return f"to_timestamp({second})"

    @staticmethod
    def day(second: str) -> str:
        return f"(to_timestamp({second}) AT TIME ZONE 'UTC')::date"

    @staticmethod
    def year(second: str) -> str:
        return f"extract(year FROM to_timestamp({second}) AT TIME ZONE 'UTC')::int"

    @staticmethod
    def bytes_of(body: bytes) -> str:
        return rf"'\x{body.hex()}'::bytea"


class _Sqlite(_Engine):
    indexes = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql LIKE 'CREATE INDEX%'"
        " AND instr(',' || :tables || ',', ',' || tbl_name || ',') > 0"
    )
    before = (
        "PRAGMA foreign_keys=OFF",
        "PRAGMA synchronous=OFF",
        "PRAGMA cache_size=-400000",
        "BEGIN IMMEDIATE",
    )
    after = (
        "COMMIT",
        "ANALYZE",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA cache_size=-2000",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
    )

    @staticmethod
    def numbers(some: range) -> str:
        more = f"SELECT n + {some.step} FROM t WHERE n < {some[-1]}"  # noqa: S608 - numbers
        every = f"SELECT {some[0]} UNION ALL {more}"
        return f"(WITH RECURSIVE t(n) AS ({every}) SELECT n FROM t)"  # noqa: S608

    @staticmethod
    def id_of(kind: int, milliseconds: str) -> str:
        return f"printf('%012x7{kind:03x}8%015x', {milliseconds}, n)"

    @staticmethod
    def digits(number: str) -> str:
        return f"printf('%08d', {number})"

    @staticmethod
    def moment(second: str) -> str:
        return f"strftime('%Y-%m-%d %H:%M:%S.000000', {second}, 'unixepoch')"

    @staticmethod
    def day(second: str) -> str:
        return f"strftime('%Y-%m-%d', {second}, 'unixepoch')"

    @staticmethod
    def year(second: str) -> str:
        return f"CAST(strftime('%Y', {second}, 'unixepoch') AS INTEGER)"

    @staticmethod
    def bytes_of(body: bytes) -> str:
        return f"x'{body.hex()}'"


_ENGINES: dict[str, type[_Engine]] = {"postgresql": _Postgresql, "sqlite": _Sqlite}


def can(database: Database) -> bool:
    """Tell whether the engine can; PostgreSQL lets only a superuser leave foreign keys alone."""
    if database.engine.name != "postgresql":
        return database.engine.name in _ENGINES
    with database.single() as connection:
        return str(connection.scalar(text("SHOW is_superuser"))) == "on"


def fill(database: Database, count: int, words: Words) -> None:
    """Write `count` invoices and all that belongs to them, in one transaction."""
    engine = _ENGINES[database.engine.name]
    with database.single() as connection:
        for statement in engine.before:
            connection.exec_driver_sql(statement)
        with _unindexed(connection, engine, list(_columns(engine, words))):
            for table, (columns, step) in _columns(engine, words).items():
                for start in range(0, count, PAGE):
                    some = range(start, min(start + PAGE, count), step)
                    _insert(connection, engine, table, columns, some)
        for statement in engine.after:
            connection.exec_driver_sql(statement)


def _insert(
    connection: Connection,
    engine: type[_Engine],
    table: str,
    columns: Mapping[str, str],
    some: range,
) -> None:
    names, values = ", ".join(columns), ", ".join(columns.values())
    source = engine.numbers(some)
    # Our own names and numbers alone.
    statement = f"INSERT INTO {table} ({names}) SELECT {values} FROM {source}"  # noqa: S608
    connection.execute(text(statement))


@contextmanager
def _unindexed(
    connection: Connection, engine: type[_Engine], tables: Sequence[str]
) -> Iterator[None]:
    """Take indexes that are not unique away, and build them when the rows are there."""
    asked = {"tables": ",".join(tables)}
    found = list(connection.execute(text(engine.indexes), asked))
    for name, _ in found:
        connection.exec_driver_sql(f"DROP INDEX {name}")
    yield
    for _, statement in found:
        connection.exec_driver_sql(statement)


def _picked(words: Sequence[str], index: str) -> str:
    cases = " ".join(f"WHEN {place} THEN '{word}'" for place, word in enumerate(words))
    return f"CASE ({index}) % {len(words)} {cases} END"


def _columns(engine: type[_Engine], words: Words) -> dict[str, tuple[dict[str, str], int]]:
    """Return what is written into each column, by table, and every how many invoices."""
    second = f"({words.first_second} + n * 100)"
    milliseconds = f"(({words.first_second} + n * 100) * 1000)"
    ids = {name: engine.id_of(kind, milliseconds) for name, kind in _ID_KINDS.items()}
    owner = {name: f"'{key}'" for name, key in words.owners.items()}
    moment, digits = engine.moment(second), engine.digits("n")
    rare = _picked(words.rare, "n / 200")
    status = f"CASE WHEN n % 200 = 7 THEN {rare} WHEN n % 50 = 3 THEN 'sent' ELSE 'delivered' END"
    number = f"'R-' || {engine.year(second)} || '-' || {digits}"
    buyer = (
        f"{_picked(words.towns, 'n')} || ' ' || {_picked(words.trades, 'n / 9')}"
        " || ' ' || (n % 5000)"
    )
    waits = f"{status} IN ('ready', 'sending', 'retry_wait')"
    body, digest = engine.bytes_of(words.body), f"'{words.digest}'"
    invoices = {
        "id": ids["invoice"],
        "source_id": owner["source"],
        "number": number,
        "issue_date": engine.day(second),
        "issue_year": engine.year(second),
        "type_code": "'380'",
        "currency": _picked(words.currencies, "n"),
        "due_date": engine.day(f"({second} + 30 * 86400)"),
        "seller_key": "'blau & söhne'",
        "seller_name": "'Blau & Söhne'",
        "buyer_name": buyer,
        "payable_amount": "(n % 100000) * 2500",
        "tax_amount": "(n % 19000) * 2500",
        "line_count": "1 + n % 9",
        "syntax": "'json'",
        "external_id": f"'erp-' || {digits}",
        "labels": "'{}'",
        "status": status,
        "status_sequence": "1",
        "current_delivery_id": ids["delivery"],
        "created_at": moment,
    }
    documents = {
        "id": ids["document"],
        "invoice_id": ids["invoice"],
        "role": "'original'",
        "media_type": "'application/json'",
        "size": str(len(words.body)),
        "sha256": digest,
        "body": body,
        "search_text": f"lower({number} || '\n' || 'erp-' || {digits} || '\n' || {buyer})",
    }
    deliveries = {
        "id": ids["delivery"],
        "invoice_id": ids["invoice"],
        "document_id": ids["document"],
        "provider_id": owner["provider"],
        "recipient": "'deliver@sandbox.example'",
        "origin": "'first'",
        "state": status,
        "due_at": f"CASE WHEN {waits} THEN {moment} END",
        "attempt_count": f"CASE WHEN {status} IN ('held', 'ready') THEN 0 ELSE 1 END",
        "provider_reference": "'ref-' || n",
        "created_at": moment,
    }
    status_events = {
        "id": ids["event"],
        "invoice_id": ids["invoice"],
        "source_id": owner["source"],
        "sequence": "1",
        "to_status": status,
        "cause": "'intake'",
        "delivery_id": ids["delivery"],
        "occurred_at": moment,
        "recorded_at": moment,
    }
    callbacks = {
        "id": ids["callback"],
        "provider_id": owner["provider"],
        "kind": "'webhook'",
        "headers": "'{}'",
        "body": body,
        "body_sha256": digest,
        "dedupe_key": "'event-' || n",
        "state": "CASE WHEN n % 2000 = 0 THEN 'unmapped' ELSE 'applied' END",
        "provider_status": "'delivered'",
        "delivery_id": ids["delivery"],
        "occurred_at": moment,
        "look_count": "1",
        "received_at": moment,
        "finished_at": moment,
    }
    pushes = {
        "id": ids["push"],
        "subscription_id": owner["subscription"],
        "event_id": ids["event"],
        "replay": "0",
        "event_type": "'invoice.delivered'",
        "payload": "'{}'",
        "state": "CASE WHEN n % 2000 = 0 THEN 'exhausted' ELSE 'delivered' END",
        "attempt_count": "1",
        "created_at": moment,
        "finished_at": moment,
    }
    return {
        "invoices": (invoices, 1),
        "documents": (documents, 1),
        "deliveries": (deliveries, 1),
        "status_events": (status_events, 1),
        "callbacks": (callbacks, words.every),
        "pushes": (pushes, words.every),
    }
