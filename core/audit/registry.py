"""The written list of audited tables, and what of them is watched."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table

from core import secret_columns
from core.database.base import WATCHED

BOOKKEEPING = frozenset({"version", "created_at", "updated_at", "updated_by"})
"""What the entry itself says; watched nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the audit wants to know of a table.

    `columns` are compared; those of `secret` too, but their values are never written down.
    `labels` are the columns whose values people call a row by, `key` those of its primary key.
    """

    table: Table
    labels: tuple[str, ...]
    columns: frozenset[str]
    secret: frozenset[str]

    key: tuple[Column[Any], ...]
    key_names: frozenset[str]


watched: dict[Table, Watch] = {}
"""The audited tables. Every statement is looked up here."""


def register(
    table: Table,
    *,
    label: str | tuple[str, ...],
    ignore: Collection[str] = (),
) -> None:
    """Have the changes of `table` written down, whoever makes them.

    `ignore` are columns that are no configuration: counters, times of last use. A statement that
    sets only such columns, or those of BOOKKEEPING, costs nothing. Of the columns that
    core.secret_columns names it is only noted that they changed.

    Raises:
        ValueError: a name that is no column of the table, or a secret that would be a label.
    """
    labels = (label,) if isinstance(label, str) else label
    secret = secret_columns.of(table)
    _check(table, {*labels, *ignore, *secret})
    if secret.intersection(labels):
        raise ValueError(f"{table.name}: a secret cannot be what a row is called by")
    key = tuple(table.primary_key.columns)
    # An id of ours says nothing; the key of a row that links two others is all that it says.
    unwatched = {*BOOKKEEPING, *ignore, *(column.key for column in key if len(key) == 1)}
    watched[table] = Watch(
        table=table,
        labels=labels,
        columns=frozenset(table.c.keys()) - unwatched,
        secret=secret,
        key=key,
        key_names=frozenset(column.key for column in key),
    )
    table.info[WATCHED] = True


def _check(table: Table, names: Collection[str]) -> None:
    unknown = sorted(set(names) - set(table.c.keys()))
    if unknown:
        raise ValueError(f"{table.name} has no column {', '.join(unknown)}")
