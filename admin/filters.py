"""What lists can be narrowed by: each filter is one name in the URL, to be bookmarked."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

from flask_babel import LazyString
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Connection, Table, select

from admin.cells import zone
from admin.listing import Reference, names_here
from core.errors import InputError
from core.ids import first_id_of
from core.models import Base

EARLIEST, LATEST = date(1971, 1, 1), date(2999, 12, 31)
Label: TypeAlias = LazyString | str
Options = list[tuple[str, str]]


class Filter:
    """One name in the URL and what it means to the rows."""

    kind = "text"

    def __init__(self, name: str, label: Label, column: str | None = None) -> None:
        self.name = name
        self.label = label
        self.column = column or name

    def clause(self, table: Table, given: str) -> ColumnElement[bool]:
        """Return what rows must fulfil.

        Raises:
            InputError: `given` cannot be read.
        """
        return table.c[self.column] == given

    def options(self, connection: Connection) -> Options:  # noqa: ARG002
        """Return what can be chosen; empty where people type."""
        return []


class OneOf(Filter):
    """One of a fixed set of words."""

    kind = "choice"

    def __init__(self, name: str, label: Label, words: type[StrEnum] | Sequence[str]) -> None:
        super().__init__(name, label)
        self.words = tuple(str(word) for word in words)

    def clause(self, table: Table, given: str) -> ColumnElement[bool]:
        """Match one word, or several with commas between."""
        return table.c[self.column].in_(self.asked(given))

    def asked(self, given: str) -> list[str]:
        """Return the words that are asked for.

        Raises:
            InputError: naming the first that is none.
        """
        asked = given.split(",")
        unknown = [word for word in asked if word not in self.words]
        if unknown:
            raise InputError(
                _("%(label)s: there is no %(word)s", label=self.label, word=unknown[0][:40])
            )
        return asked

    def options(self, connection: Connection) -> Options:  # noqa: ARG002
        """Return the words."""
        return [(word, word.replace("_", " ")) for word in self.words]


class Refers(Filter):
    """A row of another table, which is small enough for a list to choose from."""

    kind = "choice"

    def __init__(self, name: str, label: Label, model: type[Base], shown: str) -> None:
        super().__init__(name, label)
        self.shown = model.__table__.c[shown]
        self.key = model.__table__.c.id
        self._all = select(self.key, self.shown).order_by(self.shown).limit(500)

    def clause(self, table: Table, given: str) -> ColumnElement[bool]:
        """Match the id."""
        try:
            return table.c[self.column] == UUID(given)
        except ValueError:
            raise InputError(_("%(label)s: that is no id", label=self.label)) from None

    def options(self, connection: Connection) -> Options:
        """Return all rows of the table, by what they are called."""
        return [(str(key), str(shown)) for key, shown in connection.execute(self._all).all()]

    def names(self, options: Options) -> dict[UUID, str]:
        """Return what the rows are called, out of what can be chosen."""
        return {UUID(key): shown for key, shown in options}


class Hidden(Filter):
    """A text that comes with a link; nobody types it."""

    kind = "hidden"


class Belongs(Hidden):
    """A row of another table that is reached by a link, not chosen from a list."""

    def clause(self, table: Table, given: str) -> ColumnElement[bool]:
        """Match the id."""
        try:
            return table.c[self.column] == UUID(given)
        except ValueError:
            raise InputError(_("%(label)s: that is no id", label=self.label)) from None


class YesNo(Filter):
    """Whether something is so."""

    kind = "choice"

    def clause(self, table: Table, given: str) -> ColumnElement[bool]:
        """Match yes or no."""
        if given not in {"yes", "no"}:
            raise InputError(_("%(label)s: yes or no", label=self.label))
        return table.c[self.column].is_(given == "yes")

    def options(self, connection: Connection) -> Options:  # noqa: ARG002
        """Return both."""
        return [("yes", _("yes")), ("no", _("no"))]


class Since(Filter):
    """A day of the desk's zone, from its midnight on."""

    kind = "date"

    def clause(self, table: Table, given: str) -> ColumnElement[bool]:
        """Match moments on that day or later."""
        return table.c[self.column] >= _midnight(given, self.label)


class Until(Filter):
    """A day of the desk's zone, to its end."""

    kind = "date"

    def clause(self, table: Table, given: str) -> ColumnElement[bool]:
        """Match moments on that day or before."""
        return table.c[self.column] < _midnight(given, self.label, days=1)


class CreatedSince(Filter):
    """A day from its midnight on, by the time in the id (UUIDv7), which is indexed."""

    kind = "date"

    def clause(self, table: Table, given: str) -> ColumnElement[bool]:
        """Match what was made on that day or later."""
        return table.c.id >= first_id_of(_midnight(given, self.label))


class CreatedUntil(Filter):
    """The same to the end of a day."""

    kind = "date"

    def clause(self, table: Table, given: str) -> ColumnElement[bool]:
        """Match what was made on that day or before."""
        return table.c.id < first_id_of(_midnight(given, self.label, days=1))


Chosen = list[tuple[Filter, Options]]
"""The filters of a list, each with what can be chosen."""


def _midnight(given: str, label: Label, days: int = 0) -> datetime:
    try:
        day = date.fromisoformat(given)
    except ValueError:
        day = date.min
    # Ids hold no time before 1970, and zones nothing near the ends of the calendar.
    if not EARLIEST <= day <= LATEST:
        raise InputError(_("%(label)s: a date such as 2026-11-22", label=label))
    day += timedelta(days=days)
    return datetime.combine(day, time(), zone())


def _refuse_nul(text: str, label: Label) -> None:
    # PostgreSQL takes no NUL, not even to compare with.
    if "\x00" in text:
        raise InputError(_("%(label)s: a character that no text has", label=label))


def read(
    filters: Sequence[Filter], table: Table, given: dict[str, Any]
) -> tuple[list[ColumnElement[bool]], list[str]]:
    """Return the clauses of what is given, and what was ignored and why."""
    clauses, ignored = [], []
    for item in filters:
        text = given.get(item.name, "")
        if not text:
            continue
        try:
            _refuse_nul(str(text), item.label)
            clauses.append(item.clause(table, str(text)))
        except InputError as error:
            ignored.append(error.detail)
    return clauses, ignored


def belonging(
    connection: Connection,
    filters: Sequence[Filter],
    references: Mapping[str, Reference],
    given: Mapping[str, Any],
) -> list[tuple[Label, str]]:
    """Return what a list is narrowed to that no field of it shows: its label, how it is called."""
    hidden = [item for item in filters if isinstance(item, Hidden) and given.get(item.name)]
    return [
        (item.label, _called(connection, references.get(item.column), str(given[item.name])))
        for item in hidden
    ]


def _called(connection: Connection, reference: Reference | None, given: str) -> str:
    try:
        key = UUID(given)
    except ValueError:
        return given
    if reference is None:
        return given
    shown = select(reference.table.c[reference.shown]).where(reference.table.c.id == key)
    return str(connection.scalar(shown) or given)


def share_names(chosen: Chosen, references: Mapping[str, Reference]) -> None:
    """Let cells show the names that a list to choose from has looked up already."""
    for item, options in chosen:
        reference = references.get(item.column)
        if (
            isinstance(item, Refers)
            and reference
            and item.shown is reference.table.c[reference.shown]
        ):
            names_here().setdefault(reference.table.name, {}).update(item.names(options))
