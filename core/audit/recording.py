"""Writing down changes of audited tables, whoever makes them.

The execution context of a statement sees what an ORM session flushes and what services, bulk
statements and executemany run. The rows that a statement will change are read and locked before
it, and read again after it; what differs becomes entries of the same transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Delete,
    Insert,
    RowMapping,
    Select,
    Update,
    insert,
    select,
    tuple_,
)
from sqlalchemy.engine.default import DefaultExecutionContext

from core import actor
from core.audit import statements
from core.audit.models import AuditEntry, Operation
from core.audit.registry import Watch, watched
from core.audit.statements import Key, Parameters, UnauditedError
from core.audit.words import Words
from core.clock import utcnow
from core.database import Database
from core.errors import ConflictError
from core.ids import new_id

ENTRIES = AuditEntry.__table__
PAGE = 500
"""Rows that are read again at once."""

Rows = dict[Key, RowMapping]


@dataclass(frozen=True, slots=True)
class _Pending:
    """What stood there before a statement, where to look after it, and how many rows it may meet.

    `most` is None for an INSERT.
    """

    watch: Watch
    before: Rows
    keys: Iterable[Key]
    most: int | None = None


class Recording(DefaultExecutionContext):
    """Looks at each statement right before and right after it runs.

    What is no change, or of a table that is not audited, must cost one look into a dictionary.
    """

    _pending: _Pending | None = None

    def pre_exec(self) -> None:
        """Read what the statement is about to change."""
        super().pre_exec()  # type: ignore[no-untyped-call]
        if self.isupdate or self.isinsert or self.isdelete:
            watch = watched.get(self.invoked_statement.table)  # type: ignore[union-attr]
            if watch is not None:
                self._pending = _look(self, watch)

    def post_exec(self) -> None:
        """Write down what it has changed."""
        super().post_exec()  # type: ignore[no-untyped-call]
        if self._pending is not None:
            _write(self.root_connection, self._pending, _seen(self, self._pending))


def listen(database: Database) -> None:
    """Write down what is changed over the connections of `database`."""
    database.watch(Recording)


def _look(context: DefaultExecutionContext, watch: Watch) -> _Pending | None:
    """Read what a statement is about to change; None when that is nothing that is watched.

    Raises:
        UnauditedError: a statement whose changes nobody could tell.
    """
    statement: Any = context.invoked_statement
    name = watch.table.name
    if context.isupdate:
        names = statements.names_set(statement, context.compiled_parameters[0])
        if not names.isdisjoint(watch.key_names):
            raise UnauditedError(f"{name} is audited: its ids stay as they are")
        if names.isdisjoint(watch.columns):
            return None
    if context.execution_options.get("kuvert_single"):
        raise UnauditedError(f"{name} is audited: change it in a unit of work")
    if context.isinsert:
        return _look_at_insert(context, watch, statement)
    return _look_at_rows(context, watch, statement)


def _look_at_insert(context: DefaultExecutionContext, watch: Watch, statement: Insert) -> _Pending:
    """Read the rows that are there already, where an INSERT passes over such rows."""
    statements.refuse_unreadable(statement, watch)
    keys = statements.new_keys(watch, context.compiled_parameters)
    if not statements.has_conflict_clause(statement):
        return _Pending(watch, {}, keys)
    return _Pending(watch, _read(context.root_connection, watch, keys), keys)


def _look_at_rows(
    context: DefaultExecutionContext, watch: Watch, statement: Update | Delete
) -> _Pending:
    """Read and lock the rows that an UPDATE or DELETE finds by its own condition."""
    looking = select(watch.table)
    if statement.whereclause is not None:
        looking = looking.where(statement.whereclause)
    # Of a row that is updated others may still refer to the id (FOR NO KEY UPDATE).
    looking = looking.with_for_update(of=watch.table, key_share=context.isupdate)
    before: Rows = {}
    most = 0
    for one in context.compiled_parameters:
        own = statements.own_parameters(looking, one)
        rows = _rows(context.root_connection, watch, looking, own)
        most += len(rows)
        before |= rows
    return _Pending(watch, before, before, most)


def _seen(context: DefaultExecutionContext, pending: _Pending) -> Rows:
    """Read what stands there after a statement.

    Raises:
        ConflictError: it met more rows than were there a moment ago.
    """
    if pending.most is not None and context.rowcount > pending.most:
        name = pending.watch.table.name
        raise ConflictError(f"somebody else changed {name} at the same moment; look again")
    return _read(context.root_connection, pending.watch, pending.keys)


def _rows(
    connection: Connection, watch: Watch, statement: Select[Any], parameters: Parameters
) -> Rows:
    """Read rows, by their primary keys."""
    found = connection.execute(statement, parameters).mappings()
    return {tuple(row[column] for column in watch.key): row for row in found}


def _read(connection: Connection, watch: Watch, keys: Iterable[Key]) -> Rows:
    rows: Rows = {}
    wanted = list(keys)
    for start in range(0, len(wanted), PAGE):
        page = wanted[start : start + PAGE]
        if len(watch.key) == 1:
            [column] = watch.key
            mine = column.in_([part for (part,) in page])
        else:
            mine = tuple_(*watch.key).in_(page)
        rows |= _rows(connection, watch, select(watch.table).where(mine), {})
    return rows


def _write(connection: Connection, pending: _Pending, after: Rows) -> None:
    """Append one entry for each row that is not as it was."""
    words = Words(connection, pending.watch)
    entries = [
        entry
        for key in {**pending.before, **after}
        if (entry := _entry(words, key, pending.before.get(key), after.get(key)))
    ]
    if entries:
        connection.execute(insert(ENTRIES), entries)


def _entry(
    words: Words, key: Key, before: RowMapping | None, after: RowMapping | None
) -> dict[str, object] | None:
    """Return the entry of one row; None when nothing that is watched has changed."""
    old, new = words.difference(before, after)
    if before is not None and after is not None and not new:
        return None
    return {
        "id": new_id(),
        "at": utcnow(),
        "actor": actor.current(),
        "reason": actor.reason(),
        "request_id": actor.request_id(),
        "operation": str(_operation(before, after)),
        "kind": words.watch.table.name,
        "row_id": "/".join(str(part) for part in key),
        "label": words.label(after or before or {}),
        "before": old,
        "after": new,
    }


def _operation(before: RowMapping | None, after: RowMapping | None) -> Operation:
    if before is None:
        return Operation.INSERT
    return Operation.UPDATE if after is not None else Operation.DELETE
