"""What staff change of sources and providers, and what they tell a provider to do.

Each verb takes the `version` its editor has seen; None, at the command line: whichever it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import IntegrityError

from core import editing
from core.bell import ring_after_commit
from core.editing import Book, By
from core.errors import ConflictError, InputError
from core.queues import TaskName
from core.settings import Settings
from invoices import setup
from invoices.models import ProviderState
from invoices.services import letters
from invoices.setup import PROVIDERS, SOURCES, NewProvider

LONGEST_REASON = 500

SOURCE_BOOK = Book(SOURCES, ("name", "provider_id", "language", "is_disabled"))
PROVIDER_BOOK = Book(
    PROVIDERS,
    (
        "url",
        "is_idempotent",
        "auth_ref",
        "callback_profile",
        "callback_secret_refs",
        "settings",
        "concurrency",
    ),
    shown=("state", "state_reason"),
)


# Sources


def edit_source(
    connection: Connection,
    source_id: UUID,
    values: Mapping[str, Any],
    by: By,
    version: int | None = None,
) -> set[str]:
    """Change a source's name, default provider, language or whether it is disabled.

    Returns what changed.

    Its environment stays: what a test source has taken in must never reach real recipients.

    Raises:
        InputError: a value that cannot be.
        ConflictError: the name is taken.
        ChangedError: somebody else has changed it since `version`.
    """
    old = editing.locked(connection, SOURCE_BOOK, source_id, version)
    new = editing.known(SOURCE_BOOK, values)
    if "name" in new:
        setup.check_source_name(new["name"])
    if new.get("provider_id") is not None:
        _check_provider_id(connection, new["provider_id"])
    if new.get("language") is not None:
        letters.check_language(new["language"])
    try:
        return editing.save(connection, SOURCE_BOOK, old, new, by)
    except IntegrityError as error:
        raise setup.name_taken(new["name"]) from error


def disable_source(connection: Connection, name: str, by: By) -> None:
    """Refuse all keys of a source from the commit on; its invoices go on.

    Raises:
        NotFoundError: no such source.
    """
    found = setup.source(connection, name)
    edit_source(connection, found.id, {"is_disabled": True}, by)


def enable_source(connection: Connection, name: str, by: By) -> None:
    """Take the keys of a source again.

    Raises:
        NotFoundError: no such source.
    """
    found = setup.source(connection, name)
    edit_source(connection, found.id, {"is_disabled": False}, by)


def set_source_language(connection: Connection, name: str, language: str, by: By) -> None:
    """Say which language a source's letters are in.

    Raises:
        NotFoundError: no such source.
        InputError: there are no letters in that language.
    """
    found = setup.source(connection, name)
    edit_source(connection, found.id, {"language": language}, by)


def _check_provider_id(connection: Connection, provider_id: UUID) -> None:
    statement = select(PROVIDERS.c.id).where(PROVIDERS.c.id == provider_id)
    if connection.scalar(statement) is None:
        raise InputError.at("/provider_id", "provider", "there is no such provider")


# Providers


def edit_provider(
    connection: Connection,
    provider_id: UUID,
    values: Mapping[str, Any],
    by: By,
    version: int | None = None,
    *,
    settings: Settings,
) -> set[str]:
    """Change how a provider is reached and believed; return which fields changed.

    Code and channel stay: somebody who is reached in another way is another provider. What is
    under way ends as it began; the next batch goes by the new values.

    Raises:
        InputError: all that is wrong with the provider as it would be.
        ChangedError: somebody else has changed it since `version`.
    """
    old = editing.locked(connection, PROVIDER_BOOK, provider_id, version)
    new = _as_kept(editing.known(PROVIDER_BOOK, values), old.channel)
    wanted = {name: getattr(old, name) for name in PROVIDER_BOOK.fields} | new
    setup.check_provider(
        NewProvider(code=old.code, channel=old.channel, **wanted), settings=settings
    )
    if old.state != ProviderState.PAUSED:
        _check_believable(old.channel, wanted["callback_secret_refs"], settings)
    return editing.save(connection, PROVIDER_BOOK, old, new, by)


def _as_kept(values: Mapping[str, Any], channel: str) -> dict[str, Any]:
    """Return values as the row keeps them: an empty text is none, a sandbox has its usual URL."""
    kept = {name: None if value == "" else value for name, value in values.items()}
    if "callback_secret_refs" in values:
        kept["callback_secret_refs"] = list(values["callback_secret_refs"])
    if "url" in values:
        kept["url"] = kept["url"] or setup.usual_url(channel)
    return kept


def _check_believable(channel: str, secret_refs: Sequence[str], settings: Settings) -> None:
    missing = setup.missing(channel, secret_refs, settings)
    if missing:
        where = "/callback_secret_refs"
        raise InputError.at(where, "provider", f"callback_secret_refs: {missing}; pause it first")


def pause_provider(
    connection: Connection, code: str, reason: str, by: By, version: int | None = None
) -> None:
    """Give a provider no work until `resume_provider`.

    Raises:
        InputError: no reason, or too long a one.
        NotFoundError: no such provider.
        ChangedError: somebody else has changed it since `version`.
    """
    reason = _reason(reason)
    found = _locked_provider(connection, code, version)
    values = {"state": str(ProviderState.PAUSED), "state_reason": reason}
    editing.save(connection, PROVIDER_BOOK, found, values, replace(by, comment=reason))


def drain_provider(
    connection: Connection,
    code: str,
    reason: str,
    by: By,
    version: int | None = None,
    *,
    settings: Settings,
) -> None:
    """Let a provider finish what it has begun, retries too, and give it nothing new.

    Raises:
        InputError: no reason, or too long a one.
        NotFoundError: no such provider.
        ConflictError: something that it cannot do without is missing.
        ChangedError: somebody else has changed it since `version`.
    """
    reason = _reason(reason)
    found = _locked_provider(connection, code, version)
    _check_whole(found, settings)
    values = {"state": str(ProviderState.DRAINING), "state_reason": reason}
    editing.save(connection, PROVIDER_BOOK, found, values, replace(by, comment=reason))
    ring_after_commit(TaskName.GET_ACTIVE_INVOICES)


def resume_provider(
    connection: Connection, code: str, by: By, version: int | None = None, *, settings: Settings
) -> None:
    """Give a provider work again; its alarm and what its breaker counted are forgotten.

    Raises:
        NotFoundError: no such provider.
        ConflictError: something that it cannot do without is missing.
        ChangedError: somebody else has changed it since `version`.
    """
    found = _locked_provider(connection, code, version)
    _check_whole(found, settings)
    values = {
        "state": str(ProviderState.ACTIVE),
        "state_reason": None,
        "alarm": None,
        "failures": 0,
        "closed_until": None,
    }
    editing.save(connection, PROVIDER_BOOK, found, values, by)
    ring_after_commit(TaskName.GET_ACTIVE_INVOICES)


def silence_provider(connection: Connection, code: str, by: By, version: int | None = None) -> None:
    """Take a provider's alarm back, and leave all else as it is; the next failure raises it anew.

    Raises:
        NotFoundError: no such provider.
        ChangedError: somebody else has changed it since `version`.
    """
    found = _locked_provider(connection, code, version)
    editing.save(connection, PROVIDER_BOOK, found, {"alarm": None}, by)


def _reason(text: str) -> str:
    if not 1 <= len(text.strip()) <= LONGEST_REASON or not text.strip().isprintable():
        message = f"reason: one line of 1 to {LONGEST_REASON} characters"
        raise InputError.at("/reason", "length", message)
    return text.strip()


def _locked_provider(connection: Connection, code: str, version: int | None) -> Row[Any]:
    found = setup.provider(connection, code)
    return editing.locked(connection, PROVIDER_BOOK, found.id, version)


def _check_whole(found: Row[Any], settings: Settings) -> None:
    missing = setup.missing(found.channel, found.callback_secret_refs, settings)
    if missing:
        raise ConflictError(f"{found.code} stays {found.state}: {missing}")
