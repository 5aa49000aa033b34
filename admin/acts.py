"""What staff can do to rows: each act asks first, names its role, and goes through a service."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy import Connection, Row
from wtforms import HiddenField

from admin.access import Role
from admin.forms import AdminForm, TextField
from admin.reports import Report
from core.actor import because
from core.db import fresh_trial, fresh_unit_of_work
from core.errors import KuvertError

Check: TypeAlias = Callable[[Connection, UUID], object]
"""What refuses an act on a row once it is done; it is undone then."""

MOST_ROWS = 5_000
"""Rows that one request may act on."""

MANY_ROWS = 100
"""More than these at once are for approvers."""

MOST_FORESEEN = 25
"""Rows of which a dialog tells beforehand what would become of them."""


class ActForm(AdminForm):
    """What every act sends: which one, whether it was confirmed, and where to go back to."""

    action = HiddenField()
    confirmed = HiddenField()
    url = HiddenField()


class ReasonedForm(ActForm):
    """The same with a reason, which the history shows."""

    reason = TextField(_l("Reason"), 500)


def _always(row: Row[Any]) -> bool:  # noqa: ARG001
    return True


@dataclass(frozen=True, kw_only=True)
class Act:
    """One verb of a list.

    `run` does it to one row in the transaction it is given, and may raise a KuvertError, which is
    shown beside the row. A Report that it returns is shown; a function that it returns is called
    once the transaction has ended, as nobody outside may be called before. `fits` tells for which
    rows it is offered. `question` is what the dialog asks. `counts` names the column whose values
    the dialog counts. `foresee` says what would become of a row, on a connection whose changes are
    rolled back. With `needs_fresh` the person proves first who they are, unless they have lately.
    `counter` names a column that grows by one with the act: what was asked at one count is done at
    that count or not at all, so that a double click is one.
    """

    name: str
    label: LazyString
    question: LazyString
    role: Role
    run: Callable[[Connection, UUID, ActForm], object]
    form: type[ActForm] = ActForm
    fits: Callable[[Row[Any]], bool] = _always
    is_dangerous: bool = False
    is_for_many: bool = True
    counts: str | None = None
    foresee: Callable[[Connection, UUID], str] | None = None
    needs_fresh: bool = False
    counter: str | None = None


@dataclass
class Outcome:
    """What an act did: how many rows, and which it refused, with the words."""

    done: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)


def carry_out(
    act: Act,
    rows: Sequence[tuple[UUID, str]],
    form: ActForm,
    check: Check | None = None,
) -> Outcome:
    """Do `act` to each row in a transaction of its own; `rows` are ids and what they are called.

    What `check` refuses afterwards is undone.
    """
    outcome = Outcome()
    for key, name in rows:
        try:
            result = _run(act, key, form, check)
        except KuvertError as error:
            outcome.refused.append((name, error.detail))
        else:
            outcome.done += 1
            if isinstance(result, Report):
                outcome.reports.append(result)
    return outcome


def _run(act: Act, key: UUID, form: ActForm, check: Check | None) -> object:
    with because(form.why()), fresh_unit_of_work() as connection:
        result = act.run(connection, key, form)
        if check is not None:
            check(connection, key)
    return result() if callable(result) else result


def foreseen(act: Act, rows: Sequence[tuple[UUID, str]]) -> list[tuple[str, str]]:
    """Say for each row what `act` would do to it; the first MOST_FORESEEN of them."""
    if act.foresee is None:
        return []
    said = []
    for key, name in rows[:MOST_FORESEEN]:
        try:
            with fresh_trial() as connection:
                said.append((name, act.foresee(connection, key)))
        except KuvertError as error:
            said.append((name, error.detail))
    return said


def counted(act: Act, rows: Sequence[Row[Any]]) -> dict[str, int]:
    """Count the rows by the column that the dialog shows."""
    if act.counts is None:
        return {}
    return dict(Counter(str(row._mapping[act.counts]) for row in rows).most_common())
