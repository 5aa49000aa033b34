"""What a statement is about to do to an audited table, read from the statement itself.

SQLAlchemy has no public names for what an INSERT or UPDATE sets, so this is the only module that
looks inside; tests/core/audit holds it to what the pinned version does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Insert, Select
from sqlalchemy.sql.dml import ValuesBase
from sqlalchemy.sql.visitors import iterate

from core.audit.registry import Watch

Parameters = Mapping[str, Any]
Key = tuple[object, ...]
"""The values of a row's primary key."""


class UnauditedError(RuntimeError):
    """A statement whose changes the audit could not tell: a mistake of the program."""


def names_set(statement: ValuesBase, parameters: Parameters) -> set[str]:
    """Return the columns that an UPDATE sets, by its values and its parameters."""
    fixed = {_name(column) for column in statement._values or ()}  # noqa: SLF001 - see above
    columns = statement.table.c
    return fixed | {name for name in parameters if name in columns}


def own_parameters(statement: Select[Any], parameters: Parameters) -> Parameters:
    """Return those of another statement's parameters that were given by name for this one.

    Names that SQLAlchemy makes up mean something else in each statement.
    """
    given = {
        bind.key
        for bind in iterate(statement)
        if isinstance(bind, BindParameter) and not bind.unique
    }
    return {name: value for name, value in parameters.items() if name in given}


def refuse_unreadable(statement: Insert, watch: Watch) -> None:
    """Refuse an INSERT that would change audited rows without telling which.

    Raises:
        UnauditedError: INSERT … SELECT, several rows in one VALUES, or an INSERT that updates.
    """
    name = watch.table.name
    if statement.select is not None:
        raise UnauditedError(f"{name} is audited: insert rows, not a SELECT")
    if statement._multi_values:  # noqa: SLF001 - see above
        raise UnauditedError(f"{name} is audited: pass rows as parameters, not to values()")
    if has_conflict_clause(statement) and not _leaves_rows_alone(statement):
        raise UnauditedError(f"{name} is audited: update or insert, not both in one statement")


def has_conflict_clause(statement: Insert) -> bool:
    """Tell whether an INSERT says what happens to rows that are there already."""
    return statement._post_values_clause is not None or bool(statement._prefixes)  # noqa: SLF001


def new_keys(watch: Watch, parameters: Sequence[Parameters]) -> list[Key]:
    """Return the primary keys of the rows that an INSERT is given.

    Raises:
        UnauditedError: the engine is to make them.
    """
    keys = [tuple(row.get(column.key) for column in watch.key) for row in parameters]
    if any(part is None for key in keys for part in key):
        raise UnauditedError(f"{watch.table.name} is audited: insert rows with their ids")
    return keys


def _leaves_rows_alone(statement: Insert) -> bool:
    """Tell whether an INSERT leaves rows that are there as they are, as `insert_new` does."""
    clause = statement._post_values_clause  # noqa: SLF001 - see above
    if clause is None or clause.__visit_name__ == "on_conflict_do_nothing":
        return True
    columns = statement.table.c
    written = getattr(clause, "update", {})
    return bool(written) and all(value is columns.get(name) for name, value in written.items())


def _name(column: Any) -> str:  # noqa: ANN401 - a column, or its name
    return column if isinstance(column, str) else str(column.key)
