"""What a provider's callback says, found by JSON pointers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from core import pointers, strict_json
from core.errors import InputError, KuvertError

POINTERS = {
    "callback_reference_pointer": "/reference",
    "callback_status_pointer": "/status",
    "callback_occurred_at_pointer": "/occurred_at",
    "callback_detail_pointer": "/detail",
}
"""The settings of a provider that say where things stand in its callbacks, and their defaults."""

DETAIL_LENGTH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One callback in our words. `dispatch_key` is set when the reference is one of ours."""

    reference: str
    dispatch_key: UUID | None
    status: str
    occurred_at: datetime | None
    detail: str


def read(body: bytes, settings: Mapping[str, str]) -> Said:
    """Read a callback's body.

    Raises:
        KuvertError: not JSON, or without a reference or a status.
    """
    document = strict_json.loads(body)
    if not isinstance(document, dict):
        raise InputError("Expected an object")
    reference = _text(document, settings, "callback_reference_pointer")
    status = _text(document, settings, "callback_status_pointer")
    if not reference or not status:
        raise InputError("no reference or no status in it")
    return Said(
        reference=reference[:200],
        dispatch_key=_as_uuid(reference),
        status=status[:100],
        occurred_at=_moment(_text(document, settings, "callback_occurred_at_pointer")),
        detail=_text(document, settings, "callback_detail_pointer")[:DETAIL_LENGTH],
    )


def why_unreadable(error: KuvertError) -> str:
    """Say in one line why a callback cannot be read."""
    return error.detail.splitlines()[0][:500]


def _text(document: object, settings: Mapping[str, str], name: str) -> str:
    """Return what the pointer of this name finds; empty for nothing."""
    return pointers.find_text(document, settings.get(name, POINTERS[name]))


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    """Read RFC 3339; None for anything else, because the verdict counts all the same."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):  # the latter for the edges of the calendar
        return None
