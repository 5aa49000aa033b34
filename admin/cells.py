"""How values are shown: times with their zone, money with its currency, ids as links."""

from calendar import month_abbr
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from flask import g
from flask_babel import gettext as _
from flask_babel import ngettext
from markupsafe import Markup, escape
from sqlalchemy import Row

from core.clock import rfc3339, utcnow
from core.spreadsheets import text
from core.web import settings
from invoices import currencies

Cell = Callable[[Any, Any, Row[Any], str], Any]
"""A formatter as Flask-Admin calls it: view, template context, row, column."""

DASH = "\N{EN DASH}"
NOTHING = Markup('<span class="nothing">{}</span>').format(DASH)
EXCERPT = 120
_MONTHS = tuple(month_abbr)
_STEPS = ((60, "seconds"), (3600, "minutes"), (86_400, "hours"), (86_400 * 60, "days"))


class _Here:
    """What the cells of one page have in common: its time, its reader's zone, what was said."""

    __slots__ = ("now", "said", "zone")

    def __init__(self) -> None:
        self.now = utcnow()
        self.zone = settings().timezone
        # Many cells say the same.
        self.said: dict[tuple[bool, int, str], Markup] = {}


def _here() -> _Here:
    found: _Here | None = g.get("kuvert_here")
    if found is None:
        found = g.kuvert_here = _Here()
    return found


def zone() -> ZoneInfo:
    """Return the zone that staff read times in."""
    return _here().zone


def now() -> datetime:
    """Return the time of this page: one for all its cells."""
    return _here().now


def ago(moment: datetime) -> str:
    """Say how far `moment` is from now, such as `3 minutes ago` or `in 2 hours`."""
    return _said(*_distance(now(), moment))


def _distance(now: datetime, moment: datetime) -> tuple[bool, int, str]:
    """Return whether `moment` is ahead, and how far off in one unit."""
    seconds = (moment - now).total_seconds()
    return (seconds > 0, *_span(abs(seconds)))


def span(length: timedelta | float) -> str:
    """Write a length of time for people, such as `1.2 s` or `3 minutes`."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds < 10:  # noqa: PLR2004
        return f"{seconds:.1f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"  # noqa: PLR2004
    return _words(*_span(seconds))


def _html(text: str) -> Markup:
    """Take for HTML what was put together from escaped parts.

    Thousands of cells are made a second; Markup.format takes four times as long, and Markup itself
    looks first whether the text is HTML already.
    """
    return str.__new__(Markup, text)


def _span(seconds: float) -> tuple[int, str]:
    below = 1
    for limit, unit in _STEPS:
        if seconds < limit or unit == "days":
            return int(seconds // below), unit
        below = limit
    return int(seconds // below), "days"


def _said(is_ahead: bool, count: int, unit: str) -> str:
    if unit == "seconds" and count < 5:  # noqa: PLR2004
        return _("now")
    text = _words(count, unit)
    return _("in %(span)s", span=text) if is_ahead else _("%(span)s ago", span=text)


def _words(count: int, unit: str) -> str:
    if unit == "seconds":
        return ngettext("%(num)s second", "%(num)s seconds", count)
    if unit == "minutes":
        return ngettext("%(num)s minute", "%(num)s minutes", count)
    if unit == "hours":
        return ngettext("%(num)s hour", "%(num)s hours", count)
    return ngettext("%(num)s day", "%(num)s days", count)


def moment(value: datetime | None) -> Markup:
    """Show a time: date and minute in the desk's zone, how far off it is, the rest on hover."""
    if value is None:
        return NOTHING
    here = _here()
    local = value.astimezone(here.zone)
    # Put together by hand: one strftime costs as much as the rest of the cell.
    whole = f"{local.isoformat(' ', 'seconds')[:19]} {local.tzname()}"
    year = "" if local.year == here.now.year else f"{local.year:04} "
    short = f"{whole[8:10]} {_MONTHS[local.month]} {year}{whole[11:16]}"
    distance = _distance(here.now, value)
    said = here.said.get(distance)
    if said is None:
        said = here.said[distance] = escape(_said(*distance))
    return _html(
        f'<time datetime="{rfc3339(value)}" title="{whole}">{short} <small>{said}</small></time>'
    )


def day(value: datetime) -> str:
    """Write the day of a time in the desk's zone, such as `2026-11-22`."""
    return f"{value.astimezone(zone()):%Y-%m-%d}"


def full_moment(value: datetime | None) -> Markup:
    """Show a time whole, with its zone, for the page of one row."""
    if value is None:
        return NOTHING
    local = value.astimezone(zone())
    return Markup('<time datetime="{}">{} <small>{}</small></time>').format(
        rfc3339(value), f"{local:%Y-%m-%d %H:%M:%S %Z}", ago(value)
    )


def amount(value: Decimal | None, currency: str) -> str:
    """Write money with the decimals of its currency, such as `1,234.50 EUR`."""
    return DASH if value is None else f"{currencies.written(value, currency)} {currency}"


def money(view: object, context: object, row: Row[Any], name: str) -> Markup:  # noqa: ARG001
    """Show the amount in column `name` with the currency of the row."""
    values = row._mapping
    text = amount(values[name], values["currency"])
    return _html(f'<span class="money">{escape(text)}</span>')


GOOD = frozenset({"delivered", "active", "applied", "done", "live", "alive", "accepted", "ok"})
BAD = frozenset(
    {
        "undeliverable",
        "failed",
        "exhausted",
        "conflict",
        "unparsable",
        "missed",
        "broken",
        "gone",
        "refused",
        "fail",
    }
)
ODD = frozenset(
    {
        "warn",
        "unknown",
        "unclear",
        "held",
        "in_force",
        "unmapped",
        "orphan",
        "disabled",
        "parked",
        "paused",
        "draining",
        "skipped",
        "suppressed",
        "misconfigured",
        "temporary",
        "lost",
    }
)
BUSY = frozenset({"sending", "sent", "retry_wait", "waiting", "pending", "claimed", "running"})


@lru_cache(maxsize=200)
def badge_of(word: str | None) -> Markup:
    """Show a state as a badge: its colour says how it is meant, the word says it to all."""
    if not word:
        return NOTHING
    kinds = (("good", GOOD), ("bad", BAD), ("odd", ODD), ("busy", BUSY))
    kind = next((name for name, words in kinds if word in words), "plain")
    return _html(f'<span class="state state-{kind}">{escape(word.replace("_", " "))}</span>')


def badge(view: object, context: object, row: Row[Any], name: str) -> Markup:  # noqa: ARG001
    """Show column `name` as a badge."""
    return badge_of(row._mapping[name])


def asker(words: str) -> str:
    """Say who asked for something: a task of the schedule is nobody."""
    task = words.removeprefix("task ")
    return words if task == words else _("by itself (%(task)s)", task=task)


def asked_by(view: object, context: object, row: Row[Any], name: str) -> str:  # noqa: ARG001
    """Show column `name` as who asked."""
    return asker(row._mapping[name])


def week(view: object, context: object, row: Row[Any], name: str) -> Markup:  # noqa: ARG001
    """Show column `name` as a week such as 2026-W47, in one line."""
    return Markup('<span class="short">{}</span>').format(row._mapping[name])


def words(said: Mapping[str, object]) -> Cell:
    """Return what shows a column in the words of `said`, or as it is where nobody wrote any."""
    return lambda view, context, row, name: plain(  # noqa: ARG005
        said.get(row._mapping[name], row._mapping[name])
    )


def code(view: object, context: object, row: Row[Any], name: str) -> Markup:  # noqa: ARG001
    """Show column `name` as something to copy."""
    value = row._mapping[name]
    return NOTHING if value is None else Markup("<code>{}</code>").format(value)


def excerpt(view: object, context: object, row: Row[Any], name: str) -> Markup | str:  # noqa: ARG001
    """Show the beginning of a long text."""
    value = row._mapping[name]
    if not value:
        return NOTHING
    text = str(value)
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def link(url: str, words: object) -> Markup:
    """Show words that lead to a page."""
    return _html(f'<a href="{escape(url)}">{escape(words)}</a>')


def plain(value: object) -> Markup | str:
    """Show a value that no formatter was written for."""
    if type(value) is str:
        return value or NOTHING
    if value is None or value == "":
        return NOTHING
    show = _SHOWN_AS.get(type(value)) or _shown_as_kin(value)
    return show(value)


def _shown_as_kin(value: object) -> Callable[[Any], Markup | str]:
    """Return how a value is shown whose type only inherits from one that is in the table."""
    return next((show for kind, show in _SHOWN_AS.items() if isinstance(value, kind)), str)


def _items(value: Sequence[object]) -> Markup:
    return Markup("<br>").join(escape(text(item)) for item in value) if value else NOTHING


def pairs(value: Mapping[str, object]) -> Markup:
    """Show a mapping as a small table of names and values."""
    if not value:
        return NOTHING
    lines = (
        Markup("<dt>{}</dt><dd>{}</dd>").format(key, text(item)) for key, item in value.items()
    )
    return Markup('<dl class="pairs">{}</dl>').format(Markup("").join(lines))


_SHOWN_AS: dict[type, Callable[[Any], Markup | str]] = {
    int: str,
    Decimal: str,
    bool: lambda value: _("yes") if value else _("no"),
    datetime: moment,
    date: lambda value: _html(f'<span class="date">{value.isoformat()}</span>'),
    Mapping: pairs,
    list: _items,
    tuple: _items,
    bytes: lambda value: _("%(count)s bytes", count=len(value)),
}
"""How values of a type are shown; a datetime is a date as well, so it comes first."""
