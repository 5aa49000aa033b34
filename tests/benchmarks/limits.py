"""What the database alone can do: the same bytes, one table, nothing around it."""

import threading
import time
from collections.abc import Iterator
from uuid import uuid4

import psycopg

from tests.benchmarks.stage import connect

CONNECTIONS = 8


class Limits:
    """A table of its own in Kuvert's database, and how fast it fills."""

    def __init__(self, database: str, table: str, body: bytes) -> None:
        self._database = database
        self._table = table
        self._body = body
        with connect(database) as connection:
            columns = "id uuid PRIMARY KEY, number text, body bytea"
            connection.execute(f"CREATE TABLE {table} ({columns})")

    def inserts(self, rows: int) -> float:
        """Return rows per second of one INSERT each, over as many connections as clients."""
        share = rows // CONNECTIONS
        connections = [connect(self._database) for _ in range(CONNECTIONS)]
        threads = [
            threading.Thread(target=self._insert, args=(connection, share))
            for connection in connections
        ]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        for connection in connections:
            connection.close()
        return share * CONNECTIONS / seconds

    def _insert(self, connection: psycopg.Connection, rows: int) -> None:
        for _ in range(rows):
            connection.execute(
                f"INSERT INTO {self._table} VALUES (%s, %s, %s)",  # noqa: S608 - our own name
                (uuid4(), "2026-1", self._body),
                prepare=True,
            )

    def copy(self, rows: int) -> float:
        """Return rows per second of one COPY."""
        began = time.perf_counter()
        with (
            connect(self._database) as connection,
            connection.cursor() as cursor,
            cursor.copy(f"COPY {self._table} FROM STDIN") as copy,
        ):
            for row in self._rows(rows):
                copy.write_row(row)
        return rows / (time.perf_counter() - began)

    def _rows(self, number: int) -> Iterator[tuple[object, str, bytes]]:
        return ((uuid4(), "2026-1", self._body) for _ in range(number))
