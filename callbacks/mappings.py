"""What providers' words mean: said, changed and taken back by staff."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, select, update

from callbacks.models import Callback, CallbackState, StatusMapping
from core import editing
from core.bell import ring_after_commit
from core.clock import utcnow
from core.db import database
from core.editing import Book, By
from core.errors import ConflictError, Finding, InputError, NotFoundError
from core.ids import new_id
from core.queues import TaskName
from invoices.services.verdicts import VERDICTS
from status.models import Status

CALLBACKS = Callback.__table__
MAPPINGS = StatusMapping.__table__
BOOK = Book(MAPPINGS, ("status",), shown=("provider_status",))

USUAL_WORDS = {
    "accepted": Status.SENT,
    "sent": Status.SENT,
    "delivered": Status.DELIVERED,
    "bounced": Status.UNDELIVERABLE,
    "rejected": Status.UNDELIVERABLE,
    "undeliverable": Status.UNDELIVERABLE,
}
"""What a new provider's words mean until staff say otherwise; any other word is quarantined."""

WORD_LENGTH = 100


def add_mapping(connection: Connection, provider_id: UUID, word: str, status: str) -> UUID:
    """Say what a provider's word means, and look again at what waited for it; return its id.

    Raises:
        InputError: nothing, or too long a word, or a status that no callback can give.
        ConflictError: the word has a meaning already.
    """
    _check_status(status)
    word = _checked_word(word)
    row = _new_row(provider_id, word, status)
    if not database().insert_new(connection, MAPPINGS, [row]):
        message = f"'{word}' has a meaning already; change that one"
        raise ConflictError(message, findings=[Finding("/word", "unique", message)])
    _look_again(connection, provider_id)
    return UUID(str(row["id"]))


def edit_mapping(
    connection: Connection, mapping_id: UUID, status: str, by: By, version: int | None = None
) -> None:
    """Give a word another meaning; what was applied under the old one stays as it is.

    Raises:
        InputError: a status that no callback can give.
        ChangedError: somebody else has changed it since `version`.
    """
    _check_status(status)
    old = editing.locked(connection, BOOK, mapping_id, version)
    if editing.save(connection, BOOK, old, {"status": str(status)}, by):
        _look_again(connection, old.provider_id)


def remove_mapping(connection: Connection, mapping_id: UUID, version: int | None = None) -> None:
    """Take the meaning of a word back, whenever that is asked for: nothing is lost by it.

    What was applied stays as it is. What comes with that word from now on waits, as with any
    word that nobody has mapped, until somebody says what it means.

    Raises:
        ChangedError: somebody else has changed it since `version`.
    """
    editing.remove(connection, BOOK, editing.locked(connection, BOOK, mapping_id, version))


def map_status(
    connection: Connection, provider_id: UUID, word: str, status: Status, by: By
) -> None:
    """Say what a provider's word means, whether or not it had a meaning before.

    Raises:
        InputError: nothing, or too long a word, or a status that no callback can give.
    """
    known = _find(connection, provider_id, _checked_word(word))
    if known is None:
        add_mapping(connection, provider_id, word, status)
    else:
        edit_mapping(connection, known.id, status, by)


def map_usual_words(connection: Connection, provider_id: UUID) -> None:
    """Give a new provider the usual words; nothing can wait for them yet."""
    rows = [_new_row(provider_id, word, status) for word, status in USUAL_WORDS.items()]
    database().insert_many(connection, MAPPINGS, rows)


def _new_row(provider_id: UUID, word: str, status: str) -> dict[str, object]:
    return {
        "id": new_id(),
        "provider_id": provider_id,
        "provider_status": word,
        "status": str(status),
        "hits": 0,
        "version": 1,
    }


def find(connection: Connection, provider_id: UUID, word: str) -> Row[Any]:
    """Return the mapping of a word.

    Raises:
        NotFoundError: nobody has said what it means.
    """
    found = _find(connection, provider_id, _checked_word(word))
    if found is None:
        raise NotFoundError(f"nobody has said what '{word}' means")
    return found


def _find(connection: Connection, provider_id: UUID, word: str) -> Row[Any] | None:
    columns = MAPPINGS.c
    same = and_(columns.provider_id == provider_id, columns.provider_status == word)
    return connection.execute(select(MAPPINGS).where(same)).one_or_none()


def _check_status(status: str) -> None:
    if status not in VERDICTS:
        raise InputError.at("/status", "status", f"a callback cannot make an invoice {status}")


def _checked_word(word: str) -> str:
    """Return the word as it is compared with what providers say."""
    word = word.strip().lower()
    if not 1 <= len(word) <= WORD_LENGTH or not word.isprintable():
        message = f"a word has 1 to {WORD_LENGTH} characters, all of which can be read"
        raise InputError.at("/word", "length", message)
    return word


def _look_again(connection: Connection, provider_id: UUID) -> None:
    """Make due what waits for the meaning of a word."""
    waiting = and_(
        CALLBACKS.c.provider_id == provider_id, CALLBACKS.c.state == CallbackState.UNMAPPED
    )
    connection.execute(update(CALLBACKS).where(waiting).values(due_at=utcnow()))
    ring_after_commit(TaskName.GET_DUE_CALLBACKS)
