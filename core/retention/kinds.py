"""The kinds of what is kept, and what each can tell and do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from core.clock import utcnow
from core.ids import first_id_of
from core.retention.names import KINDS
from core.settings import FEWEST_DAYS, Settings

QUIET = timedelta(days=30)
"""An invoice to which something happened in that time keeps all it has, whatever its age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is old: what came before `before_at` and of whose invoice nothing is under way.

    `quiet_since`: nothing has happened to it since then.
    """

    before_at: datetime
    quiet_since: datetime

    @classmethod
    def of(cls, days: int) -> "Limits":
        """Return the limits of keeping something for `days` from now on backwards.

        Raises:
            ValueError: fewer days than anything is kept.
        """
        if days < FEWEST_DAYS:
            raise ValueError(f"everything is kept for {FEWEST_DAYS} days")
        now = utcnow()
        return cls(before_at=now - timedelta(days=days), quiet_since=now - QUIET)

    @property
    def before_id(self) -> UUID:
        """Return the first id that is not old: ids begin with the time they were made."""
        return first_id_of(self.before_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is due of one kind: how many rows and bytes, from when until when.

    `kept_back` counts what is old too but stays, by the reason.
    """

    rows: int
    bytes: int
    oldest_at: datetime | None
    newest_at: datetime | None
    kept_back: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one transaction took away; `last` is how far it has looked, None: to the end."""

    rows: int
    bytes: int
    last: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Something that is kept for a time of its own.

    `survey` counts what is due and changes nothing. `purge` takes some of it away in the
    transaction that it is given, as part of the run with that id, going on behind an id.
    """

    name: str
    what: str
    survey: Callable[[Connection, Limits], Survey]
    purge: Callable[[Connection, Limits, UUID, UUID | None], Batch]

    @property
    def setting(self) -> str:
        """Return the setting that says for how many days it is kept."""
        return f"KUVERT_KEEP_{self.name.upper().replace('-', '_')}"

    def days(self, settings: Settings) -> int | None:
        """Return for how many days it is kept; None: for ever."""
        kept: int | None = getattr(settings, f"keep_{self.name.replace('-', '_')}")
        return kept


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Have a kind kept for its time. For a package's `init_app`."""
    if kind.name not in KINDS:
        raise ValueError(f"{kind.name} is no kind of what is kept")
    _kinds[kind.name] = kind


def registered() -> list[Kind]:
    """Return all kinds in their order."""
    return [_kinds[name] for name in KINDS if name in _kinds]


def get(name: str) -> Kind:
    """Return one kind by its name."""
    return _kinds[name]
