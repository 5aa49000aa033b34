"""Erasing a person: from invoices, from what providers and mailboxes said, from every record.

All of it is one transaction: it is done as a whole, or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, func, select, update

from callbacks import retention
from callbacks.models import Callback, CallbackState
from core.clock import utcnow
from core.db import database, fresh_trial, fresh_unit_of_work
from core.errors import ConflictError, InputError, UnavailableError
from core.people.models import User
from core.retention import pseudonyms, running, scrubbing
from core.retention.models import RetentionRun, RunState
from core.retention.names import ERASURE
from core.retention.scrubbing import Words
from core.settings import current
from invoices.hold_models import LegalHold
from invoices.models import Delivery
from invoices.services import erasing
from invoices.services.addresses import checked_address
from invoices.services.erasing import Theirs

CALLBACKS = Callback.__table__
DELIVERIES = Delivery.__table__
RUNS = RetentionRun.__table__
USERS = User.__table__
HOLDS = LegalHold.__table__

MOST_NAMED = 20
"""Invoices that stand in the way, of which a refusal tells."""

PAGE = 50
"""Callbacks that are in memory at once: a mail may have many megabytes."""

SHORTEST_NAME = 5
"""Letters of a name that is replaced wherever it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was changed, by table, and where the words still stand: configuration and keys.

    `unread` are the numbers of others' invoices that went to the address and that hold something,
    such as a PDF, of which nobody knows here whom it names.
    """

    pseudonym: str
    changed: dict[str, int]
    left: dict[str, int]
    unread: list[str]


def erase(address: str, *, name: str | None, reason: str, is_trial: bool = False) -> Erased:
    """Erase whoever has a mail address; `name` is replaced too, wherever it stands.

    A trial does all of it and takes it back.

    Raises:
        InputError: no address, no reason, or a name that is too short to be replaced anywhere.
        ConflictError: an invoice must stay as it is, the address is a colleague's, retention is
            at work, or processes of an older version are.
    """
    found = checked_address(address)
    _check(name, reason)
    running.refuse_older()
    held = running.taken()
    try:
        with (fresh_trial if is_trial else fresh_unit_of_work)() as connection:
            database().be_patient(connection)
            running.renewed(connection, held)
            erased = _erase(connection, found, name, reason)
    finally:
        running.let_go(held)
    if not is_trial:
        _shred()
    return erased


def _shred() -> None:
    try:
        database().shred()
    except UnavailableError as error:
        detail = f"all is erased, but stands in free pages of the file still: {error.detail}"
        raise UnavailableError(f"{detail}; run VACUUM on it when nobody is at work") from error


def _check(name: str | None, reason: str) -> None:
    if not reason.strip():
        raise InputError.at("/reason", "length", "say why")
    if name is not None and len(name.strip()) < SHORTEST_NAME:
        message = f"a name of fewer than {SHORTEST_NAME} letters stands in too many other words"
        raise InputError.at("/name", "length", message)


def _erase(connection: Connection, address: str, name: str | None, reason: str) -> Erased:
    key = current().secret_key
    pseudonym = pseudonyms.of(key, address)
    words = _words(address, name, key)
    _refuse_staff(connection, address)
    theirs = erasing.find(connection, address)
    erasing.lock(connection, theirs)
    _refuse(erasing.obstacles(connection, theirs))
    _refuse_held(connection, address)
    callbacks = _callbacks(connection, theirs, words)
    run_id = running.begin(connection, ERASURE, utcnow(), words.replaced(reason.strip()))
    changed = erasing.erase(connection, theirs, words, key)
    changed["callbacks"] = _empty(connection, callbacks)
    changed["suppressions"] = erasing.erase_suppressions(connection, address, key)
    _end(connection, run_id, pseudonym, sum(changed.values()))
    for table, count in scrubbing.scrub(connection, run_id, words).items():
        changed[table] = max(changed.get(table, 0), count)
    kept = scrubbing.left(connection, words)
    return Erased(
        pseudonym=pseudonym,
        changed={table: count for table, count in changed.items() if count},
        left=kept,
        unread=erasing.unread(connection, theirs),
    )


def _words(address: str, name: str | None, key: str) -> Words:
    replacements = {address: pseudonyms.address_of(key, address)}
    if name is not None:
        replacements[name.strip()] = pseudonyms.of(key, address)
    return Words(replacements)


def _refuse_staff(connection: Connection, address: str) -> None:
    mine = select(USERS.c.id).where(func.lower(USERS.c.email) == address)
    if connection.execute(mine).first() is not None:
        raise ConflictError(
            "somebody of staff logs in with this address, and the histories say what he did;"
            " disable the account instead"
        )


def _refuse(found: Sequence[erasing.Obstacle]) -> None:
    """Refuse to erase anything while something must stay.

    Raises:
        ConflictError: and what, and why.
    """
    if not found:
        return
    named = [f"{one.number} ({one.invoice_id}): {one.why}" for one in found[:MOST_NAMED]]
    more = len(found) - len(named)
    listed = "; ".join([*named, *([f"and {more} more"] if more else [])])
    raise ConflictError(f"nothing was erased, for {len(found)} invoices must stay: {listed}")


def _refuse_held(connection: Connection, address: str) -> None:
    mine = (HOLDS.c.address == address, HOLDS.c.lifted_at.is_(None))
    if connection.execute(select(HOLDS.c.id).where(*mine)).first() is not None:
        raise ConflictError("nothing was erased, for the address is under legal hold")


def _callbacks(connection: Connection, theirs: Theirs, words: Words) -> list[UUID]:
    """Return the callbacks and mails about the person, or that name him.

    Raises:
        ConflictError: somebody is still to work through one.
    """
    columns = CALLBACKS.c
    about = select(DELIVERIES.c.id).where(database().among(DELIVERIES.c.invoice_id, theirs.own))
    own = set(connection.scalars(about))
    # Each is read here: no engine finds a name in base64.
    names = (columns.id, columns.delivery_id, columns.headers, columns.note, columns.body)
    whole = select(*names).where(columns.purged_at.is_(None))
    ids = [
        row.id
        for row in connection.execute(whole.execution_options(yield_per=PAGE))
        if row.delivery_id in own or words.are_in(row.headers, row.note, row.body)
    ]
    mine = database().among(columns.id, ids)
    rows = database().lock(connection, CALLBACKS, mine, (columns.id, columns.due_at))
    if any(row.due_at is not None for row in rows):
        raise ConflictError(
            "nothing was erased, for a callback about it is still looked at; wait, or map its word"
        )
    return [row.id for row in rows]


def _empty(connection: Connection, callback_ids: list[UUID]) -> int:
    """Empty callbacks; what could not be applied until now never will be."""
    columns = CALLBACKS.c
    retention.empty(connection, callback_ids)
    waiting = [str(CallbackState.ORPHAN), str(CallbackState.UNMAPPED)]
    mine = (database().among(columns.id, callback_ids), columns.state.in_(waiting))
    values = {"state": str(CallbackState.IGNORED), "note": "erased before it could be applied"}
    connection.execute(update(CALLBACKS).where(*mine).values(values))
    return len(callback_ids)


def _end(connection: Connection, run_id: UUID, pseudonym: str, count: int) -> None:
    values = {
        "state": str(RunState.DONE),
        "row_count": count,
        "result": f"{pseudonym} stands in place of a person now; {count} rows of his own",
        "finished_at": utcnow(),
    }
    connection.execute(update(RUNS).where(RUNS.c.id == run_id).values(values))
