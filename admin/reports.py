"""What is shown once something is done: a secret that nobody sees again, or what came back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from flask_babel import LazyString
from markupsafe import Markup

Words: TypeAlias = LazyString | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an act or a form has to show. `secret` is on this page, and on no other ever again."""

    title: Words
    text: Words = ""
    secret: str | None = None
    facts: Mapping[str, Markup | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """A new row, and what its maker is shown of it this once."""

    id: UUID
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """A short table on the page of a row: what belongs to it, and where there is more of it."""

    title: Words
    heads: Sequence[Words]
    rows: Sequence[Sequence[Any]]
    empty: Words
    more: tuple[str, Words] | None = None
