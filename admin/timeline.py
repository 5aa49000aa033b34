"""The history of one invoice in words: each entry is one line that people read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from markupsafe import Markup

from admin import cells
from callbacks.models import CallbackKind
from callbacks.timeline import Entry, Kind
from status.models import PushState

LONGEST_NOTE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: `title` says what happened, `note` in whose words, `link` where there is more."""

    at: datetime
    kind: str
    state: Markup
    title: str
    note: str
    took: str
    due_at: datetime | None
    link: str | None


def lines(entries: list[Entry]) -> list[Line]:
    """Put a timeline into words, the newest first."""
    return [_line(entry) for entry in reversed(entries)]


def _line(entry: Entry) -> Line:
    return Line(
        at=entry.at,
        kind=str(entry.kind),
        state=cells.badge_of(entry.state),
        title=_TITLES[entry.kind](entry.row._mapping),
        note=_shortened(entry.note),
        took=cells.span(entry.took) if entry.took is not None else "",
        due_at=None if entry.state == PushState.PARKED else entry.due_at,
        link=_link(entry),
    )


def _shortened(note: str | None) -> str:
    text = note or ""
    return text if len(text) <= LONGEST_NOTE else text[: LONGEST_NOTE - 1] + "…"


def _link(entry: Entry) -> str | None:
    endpoint = _PAGES.get(entry.kind)
    return url_for(f"{endpoint}.details_view", id=entry.id) if endpoint else None


_PAGES = {Kind.DELIVERY: "delivery", Kind.CALLBACK: "callback", Kind.PUSH: "push"}


def _event(row: Any) -> str:
    who = row["actor"] or row["cause"]
    if row["from_status"] == row["to_status"]:
        return _("Noted by %(who)s; the status stays", who=who)
    if row["from_status"] is None:
        return _("Taken in from %(who)s", who=who)
    return _("By %(who)s, was %(was)s", who=who, was=row["from_status"].replace("_", " "))


def _delivery(row: Any) -> str:
    words = {"first": _("Delivery"), "resend": _("Sent again"), "fallback": _("Sent elsewhere")}
    return _(
        "%(what)s through %(provider)s to %(to)s",
        what=words.get(row["origin"], row["origin"]),
        provider=row["provider"] or _("nobody yet"),
        to=row["recipient"] or _("no address"),
    )


def _attempt(row: Any) -> str:
    answer = f", HTTP {row['http_status']}" if row["http_status"] else ""
    return _("Attempt %(number)s", number=row["number"]) + answer


def _callback(row: Any) -> str:
    if row["kind"] == CallbackKind.DSN:
        return _("A mail came back")
    return _("The provider says “%(word)s”", word=row["provider_status"] or _("nothing readable"))


def _push(row: Any) -> str:
    return _("Told to %(url)s", url=row["url"])


def _push_attempt(row: Any) -> str:
    answer = f", HTTP {row['http_status']}" if row["http_status"] else ""
    return _("Told, try %(number)s", number=row["number"]) + answer


def _gap(row: Any) -> str:  # noqa: ARG001 - its note says how many, and of when
    return _("Removed by retention")


_TITLES = {
    Kind.GAP: _gap,
    Kind.EVENT: _event,
    Kind.DELIVERY: _delivery,
    Kind.ATTEMPT: _attempt,
    Kind.CALLBACK: _callback,
    Kind.PUSH: _push,
    Kind.PUSH_ATTEMPT: _push_attempt,
}
