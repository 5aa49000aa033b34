"""Writing down changes of audited tables, whoever makes them.

The engine's events see what an ORM session flushes and what services, bulk statements and
executemany run. The rows that a statement will change are read and locked before it, and read
again after it; what differs becomes entries of the same transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    CursorResult,
    Delete,
    Insert,
    RowMapping,
    Select,
    Update,
    insert,
    select,
    tuple_,
)

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

_PENDING = "kuvert_audit"

Rows = dict[Key, RowMapping]


@dataclass(frozen=True, slots=True)
class _Pending:
    """What stood there before a statement, and how many rows it should meet."""

    watch: Watch
    before: Rows
    matched: int


def listen(database: Database) -> None:
    """Write down what is changed over the connections of `database`."""
    database.listen("before_execute", _before)
    database.listen("after_execute", _after)


# Both run for every statement: what is not audited must cost one look into a dictionary.


def _before(
    connection: Connection,
    statement: Any,  # noqa: ANN401 - whatever can be executed
    multiparams: Sequence[Parameters],
    params: Parameters,
    _options: Mapping[str, object],
) -> None:
    if not getattr(statement, "is_dml", False):
        return
    watch = watched.get(statement.table)
    if watch is not None:
        connection.info[_PENDING] = _look(connection, watch, statement, multiparams or [params])


def _after(
    connection: Connection,
    statement: Any,  # noqa: ANN401 - whatever can be executed
    _multiparams: Sequence[Parameters],
    _params: Parameters,
    _options: Mapping[str, object],
    result: CursorResult[Any],
) -> None:
    if not getattr(statement, "is_dml", False) or statement.table not in watched:
        return
    pending = connection.info.pop(_PENDING, None)
    if pending is not None:
        _write(connection, pending, _seen(connection, pending, statement, result))


def _look(
    connection: Connection,
    watch: Watch,
    statement: Insert | Update | Delete,
    parameters: Sequence[Parameters],
) -> _Pending | None:
    """Read what a statement is about to change; None when that is nothing that is watched."""
    if isinstance(statement, Update):
        names = statements.names_set(statement, parameters)
        if names.isdisjoint(watch.columns) and names.isdisjoint(watch.key_names):
            return None
        if not names.isdisjoint(watch.key_names):
            raise UnauditedError(f"{watch.table.name} is audited: its ids stay as they are")
    if connection.get_execution_options().get("kuvert_single"):
        raise UnauditedError(f"{watch.table.name} is audited: change it in a unit of work")
    if isinstance(statement, Insert):
        return _look_at_insert(connection, watch, statement, parameters)
    before: Rows = {}
    matched = 0
    looking = select(watch.table)
    if statement.whereclause is not None:
        looking = looking.where(statement.whereclause)
    # Of a row that is updated others may still refer to the id (FOR NO KEY UPDATE).
    is_update = isinstance(statement, Update)
    looking = looking.with_for_update(of=watch.table, key_share=is_update)
    for one in parameters:
        rows = _rows(connection, watch, looking, one)
        matched += len(rows)
        before |= rows
    return _Pending(watch, before, matched)


def _look_at_insert(
    connection: Connection, watch: Watch, statement: Insert, parameters: Sequence[Parameters]
) -> _Pending:
    """Read the rows that are there already, where an INSERT passes over such rows."""
    statements.refuse_unreadable(statement, watch)
    if not statements.has_conflict_clause(statement):
        return _Pending(watch, {}, 0)
    keys = statements.given_keys(statement, watch, parameters)
    if keys is None:
        raise UnauditedError(f"{watch.table.name} is audited: insert rows with their ids")
    return _Pending(watch, _read_again(connection, watch, keys), 0)


def _seen(
    connection: Connection,
    pending: _Pending,
    statement: Insert | Update | Delete,
    result: CursorResult[Any],
) -> Rows:
    """Read what stands there after a statement.

    Raises:
        ConflictError: it met more rows than were there a moment ago.
    """
    if isinstance(statement, Insert):
        keys = statements.new_keys(pending.watch, result)
        return _read_again(connection, pending.watch, keys)
    if result.rowcount > pending.matched:
        name = pending.watch.table.name
        raise ConflictError(f"somebody else changed {name} at the same moment; look again")
    return _read_again(connection, pending.watch, pending.before)


def _rows(
    connection: Connection, watch: Watch, statement: Select[Any], parameters: Parameters
) -> Rows:
    """Read rows, by their primary keys."""
    found = connection.execute(statement, parameters).mappings()
    return {tuple(row[column] for column in watch.key): row for row in found}


def _read_again(connection: Connection, watch: Watch, keys: Iterable[Key]) -> Rows:
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
