"""Rows full of hostile strings, and what tells that one of them has come alive on a page."""

from collections.abc import Iterable, Sequence
from typing import Any

from lxml.html import HtmlElement
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
)

from core import secret_columns
from core.db import unit_of_work
from core.ids import new_id
from invoices.models import Document, Invoice
from status.models import StatusEvent
from tests.admin.markup import page_of

INVOICES = Invoice.__table__
DOCUMENTS = Document.__table__
EVENTS = StatusEvent.__table__

LEAST_TEXT = 60
"""Shorter columns hold words of our own."""

OURS = frozenset({"task", "timezone", "kind", "request_id", "args", "nonce", "payload"})
FOREIGN = frozenset({"img", "iframe", "object", "embed", "base", "math", "video", "audio", "style"})
ADDRESSES = ("href", "src", "action", "formaction", "xlink:href", "data", "poster")
LOCAL = ("/", "?", "#", "http://localhost/", "data:,")


def signs_of_life(html: str, strings: Iterable[str]) -> list[str]:
    """Return what on a page came from one of the strings and is more than text."""
    raw = [text for text in strings if "<" in text and text.strip() and text in html]
    found = [f"as it was given: {text}" for text in raw if len(text) > 1]
    for element in page_of(html).iter("*"):
        found += [f"{element.tag}: {why}" for why in _wrong(element)]
    return found


def _wrong(element: HtmlElement) -> list[str]:
    attributes = dict(element.attrib)
    if element.tag == "iframe" and attributes.get("sandbox") == "" and "srcdoc" in attributes:
        # A letter is shown in a frame that runs nothing; its own tags have styles.
        inside = page_of(attributes["srcdoc"]).iter("*")
        return [why for one in inside for why in _wrong(one) if why != "style"]
    found = [name for name in attributes if name.startswith("on") or name in {"style", "srcdoc"}]
    found += [
        f"{name}={attributes[name]}"
        for name in ADDRESSES
        if name in attributes and not str(attributes[name]).startswith(LOCAL)
    ]
    is_inline = element.tag == "script" and "src" not in attributes
    return [*found, *(["foreign"] if element.tag in FOREIGN or is_inline else [])]


def text_columns(table: Table) -> list[Column[Any]]:
    """Return the columns in which people and programs outside choose the words."""
    withheld = secret_columns.of(table) | OURS
    return [
        column
        for column in table.columns
        if isinstance(column.type, String)
        and not column.foreign_keys
        and column.name not in withheld
        and (column.type.length or LEAST_TEXT) >= LEAST_TEXT
    ]


def plant(table: Table, strings: Sequence[str]) -> list[object]:
    """Copy the first row so often that each string stands in one of its texts; return the ids."""
    texts = text_columns(table)
    with unit_of_work() as connection:
        first = connection.execute(select(table).limit(1)).mappings().one()
        width = max(len(texts), 1)
        rows = []
        for number in range(-(-len(strings) // width) if texts else 0):
            said = _texts(table, texts, number, strings)
            own = {**_own(table, number), **said, **_json(table, said), "id": new_id()}
            rows.append({**first, **own})
        for row in rows:
            connection.execute(insert(table).values(row))
        if table is INVOICES:
            _copy_belongings(connection, first["id"], [row["id"] for row in rows])
    return [row["id"] for row in rows]


def _copy_belongings(connection: Connection, first: object, keys: Sequence[object]) -> None:
    """Give each copy of an invoice the document and the history that its page needs."""
    for table in (DOCUMENTS, EVENTS):
        mine = select(table).where(table.c.invoice_id == first).limit(1)
        row = connection.execute(mine).mappings().one()
        copies = [{**row, "id": new_id(), "invoice_id": key} for key in keys]
        for copy in copies:
            connection.execute(insert(table).values(copy))


def _texts(
    table: Table, columns: Sequence[Column[Any]], number: int, strings: Sequence[str]
) -> dict[str, str]:
    values: dict[str, str] = {}
    for place, column in enumerate(columns):
        text = strings[(number * len(columns) + place) % len(strings)].replace("\0", "")
        longest = column.type.length or 10_000  # type: ignore[attr-defined]
        if column.name in _unique(table):
            text = f"{text[: longest - 5]} {number}"
        values[column.name] = text[:longest]
    return values


def _json(table: Table, texts: dict[str, Any]) -> dict[str, Any]:
    """Put the same texts into columns of JSON, as keys and as values."""
    own = secret_columns.of(table)
    found = [column for column in table.columns if isinstance(column.type, JSON)]
    return {
        column.name: {text: text for text in texts.values()}
        for column in found
        if column.name in {"labels", "headers", "before", "after"} and column.name not in own
    }


def _own(table: Table, number: int) -> dict[str, object]:
    """Return values that no other row has, for the columns of unique rules."""
    columns = [table.c[name] for name in _unique(table) if not table.c[name].foreign_keys]
    return {
        column.name: number + 1000 if isinstance(column.type, Integer) else f"u{number}"
        for column in columns
        if isinstance(column.type, Integer | String) and column.name != "id"
    }


def _unique(table: Table) -> set[str]:
    rules = [rule for rule in table.constraints if isinstance(rule, UniqueConstraint)]
    named = {column.name for rule in rules for column in rule.columns}
    return named | {column.name for column in table.columns if column.unique}
