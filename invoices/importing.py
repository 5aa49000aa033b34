"""Importing files: all of a run or nothing, or what is good of it, batch by batch."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final, TextIO
from uuid import UUID

from sqlalchemy import Connection

from core.db import unit_of_work
from core.errors import KuvertError
from invoices.files import Item, read_files
from invoices.schemas import QueryOptions
from invoices.services import intake
from invoices.services.intake import HERE_AS, Accepted, TakenError

BATCH: Final = 500

ACCEPTED: Final = "accepted"
ALREADY_HERE: Final = "already_here"
BAD: Final = "bad"
NOT_STORED: Final = "not_stored"

Record = Mapping[str, Any]
"""What became of one item: `file`, `row`, `result`, `number`, `id`, `status`, `problem`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be imported, for whom, and who hears of its progress.

    `on_read` is told the bytes of each item as it is read, `on_end` what became of it.
    """

    paths: Sequence[Path]
    source_id: UUID
    environment: str
    options: QueryOptions
    on_read: Callable[[int], object]
    on_end: Callable[[Record], object]


@dataclass(slots=True)
class Counts:
    """How many items ended how, by result."""

    by_result: dict[str, int] = field(default_factory=dict)

    @property
    def bad(self) -> int:
        """How many could not be taken in."""
        return self.by_result.get(BAD, 0)

    def add(self, record: Record) -> None:
        """Count one."""
        result = record["result"]
        self.by_result[result] = self.by_result.get(result, 0) + 1


class _NothingStoredError(Exception):
    """Takes a transaction back in which something was bad."""


def import_good(order: Order) -> Counts:
    """Take in what is good, each batch in a transaction of its own, and leave out the rest."""
    counts = Counts()
    for batch in _batches(_read(order)):
        with unit_of_work() as connection:
            records = _take(connection, order, batch)
        for record in records:
            counts.add(record)
            order.on_end(record)
    return counts


def import_all(order: Order) -> Counts:
    """Take in everything in one transaction, or nothing when anything is bad.

    The files are read twice: what can be found wrong without the database is found before it
    is asked, so that the transaction is short. What became of the items is known with the
    commit, and waits for it in a file, not in memory.
    """
    with TemporaryFile("w+", encoding="utf-8") as file:
        ledger = _Ledger(file)
        for item in _read(order):
            ledger.add(_unstored(item))
        if ledger.counts.bad:
            return ledger.tell(order.on_end, is_stored=False)
    with TemporaryFile("w+", encoding="utf-8") as file:
        ledger = _Ledger(file)
        try:
            _store_all(order, ledger)
        except _NothingStoredError:
            return ledger.tell(order.on_end, is_stored=False)
        return ledger.tell(order.on_end, is_stored=True)


def _store_all(order: Order, ledger: "_Ledger") -> None:
    with unit_of_work() as connection:
        for batch in _batches(_read(order)):
            for record in _take(connection, order, batch):
                ledger.add(record)
        if ledger.counts.bad:
            raise _NothingStoredError


class _Ledger:
    """Records kept in a temporary file until it is known whether they came true."""

    def __init__(self, file: TextIO) -> None:
        self.counts = Counts()
        self._file = file

    def add(self, record: Record) -> None:
        self.counts.add(record)
        self._file.write(json.dumps(record) + "\n")

    def tell(self, on_end: Callable[[Record], object], *, is_stored: bool) -> Counts:
        """Hand the records on, as they are or as what did not come to be; return their counts."""
        counts = Counts()
        places = {} if is_stored else self._places_of_rivals()
        for record in self._records():
            told = record if is_stored else _undone(record, places)
            counts.add(told)
            on_end(told)
        return counts

    def _records(self) -> Iterator[dict[str, Any]]:
        self._file.seek(0)
        yield from map(json.loads, self._file)

    def _places_of_rivals(self) -> dict[str, str]:
        """Return where in this run those stand whose numbers others have too, by their ids."""
        wanted = {record["there"] for record in self._records() if "there" in record}
        if not wanted:
            return {}
        return {
            record["id"]: record["file"] + (f" row {record['row']}" if record["row"] else "")
            for record in self._records()
            if record["result"] == ACCEPTED and record["id"] in wanted
        }


def _undone(record: dict[str, Any], places: Mapping[str, str]) -> Record:
    """Return what became of an item when nothing was stored: no id of the run came to be."""
    if record["result"] == ACCEPTED:
        return {name: record[name] for name in ("file", "row", "number")} | {"result": NOT_STORED}
    there = record.pop("there", "")
    if there in places:
        detail = record["problem"]["detail"]
        told = detail.replace(f"{HERE_AS}{there}", f"is in {places[there]} too,")
        record["problem"]["detail"] = told
    return record


def _read(order: Order) -> Iterator[Item]:
    for item in read_files(order.paths, order.options):
        order.on_read(item.size)
        yield item


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while batch := list(islice(left, BATCH)):
        yield batch


def _take(connection: Connection, order: Order, batch: Sequence[Item]) -> list[Record]:
    """Store what can be read of a batch; say of each item what became of it."""
    news = [item.read for item in batch if not isinstance(item.read, KuvertError)]
    stored = iter(intake.accept_many(connection, order.source_id, order.environment, news))
    return [
        _record(item, item.read if isinstance(item.read, KuvertError) else next(stored))
        for item in batch
    ]


def _record(item: Item, end: Accepted | KuvertError) -> Record:
    if isinstance(end, KuvertError):
        bad = _place(item) | {"result": BAD, "problem": _problem(end)}
        return bad | {"there": str(end.there)} if isinstance(end, TakenError) else bad
    result = ACCEPTED if end.is_new else ALREADY_HERE
    return _place(item) | {"result": result} | end.to_json()


def _unstored(item: Item) -> Record:
    if isinstance(item.read, KuvertError):
        return _record(item, item.read)
    return _place(item) | {"result": NOT_STORED, "number": item.read.number}


def _place(item: Item) -> dict[str, Any]:
    return {"file": str(item.path), "row": item.row}


def _problem(error: KuvertError) -> dict[str, Any]:
    return {
        "title": error.title,
        "detail": error.detail,
        "errors": [finding.to_json() for finding in error.findings],
    }
