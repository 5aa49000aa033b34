"""The form of a schedule: every so often, on weekdays at a time, by a crontab, or once."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from flask_babel import lazy_gettext as _l
from sqlalchemy import Row
from wtforms import (
    BooleanField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Optional
from wtforms.widgets import CheckboxInput, DateTimeLocalInput, ListWidget, TimeInput

from admin.forms import TextField, VersionedForm, WholeNumberField, options, words_of
from core.errors import InputError
from core.queues import TaskName
from core.schedules.models import Origin, Overlap
from core.schedules.planning import Catchup
from core.schedules.timing import Kind, named_zone, read_time

WEEKLY = "weekly"
UNITS = ((86_400, _l("days")), (3_600, _l("hours")), (60, _l("minutes")), (1, _l("seconds")))
WEEKDAYS = (
    ("1", _l("Monday")),
    ("2", _l("Tuesday")),
    ("3", _l("Wednesday")),
    ("4", _l("Thursday")),
    ("5", _l("Friday")),
    ("6", _l("Saturday")),
    ("0", _l("Sunday")),
)
_WEEKLY = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* (\*|[0-7](?:,[0-7])*)")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_LOCAL = "%Y-%m-%dT%H:%M"


class _Ticks(SelectMultipleField):
    """Several of a few, as boxes to tick."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class _LocalTime(StringField):
    """A date and a time of day, in the zone of the schedule."""

    widget = DateTimeLocalInput()


class ScheduleForm(VersionedForm):
    """What staff set of a schedule. Times are local in its zone; lengths are in seconds."""

    description = TextField(_l("What for"), 500)
    task = SelectField(_l("Task"), choices=words_of(TaskName))
    args = TextAreaField(
        _l("Arguments"),
        default="[]",
        description=_l("a JSON list; most tasks take none: []"),
    )
    way = RadioField(
        _l("When"),
        choices=options(
            [
                (str(Kind.INTERVAL), _l("every so often")),
                (WEEKLY, _l("on weekdays at a time")),
                (str(Kind.CRONTAB), _l("by a crontab")),
                (str(Kind.ONCE), _l("once")),
            ]
        ),
        default=str(Kind.INTERVAL),
    )
    every = WholeNumberField(_l("Every"), [Optional()], default=5)
    unit = SelectField(_l("of these"), choices=options(UNITS), default="60")
    weekdays = _Ticks(_l("On"), choices=options(WEEKDAYS), validators=[Optional()])
    time = StringField(
        _l("At"), widget=TimeInput(), description=_l("hours and minutes, such as 23:00")
    )
    crontab = StringField(
        _l("Crontab"), description=_l("five fields: minute, hour, day, month, weekday; or @daily")
    )
    at = _LocalTime(_l("At this time"))
    timezone = StringField(_l("Time zone"), [InputRequired()], render_kw={"list": "zones"})
    is_enabled = BooleanField(_l("On"), default=True)
    start_at = _LocalTime(_l("Not before"))
    end_at = _LocalTime(_l("Not after"))
    catchup = SelectField(
        _l("What was missed while nothing ran"),
        choices=options(
            [
                (str(Catchup.LATEST), _l("is done once")),
                (str(Catchup.ALL), _l("is done run by run")),
                (str(Catchup.SKIP), _l("is left out")),
            ]
        ),
    )
    catchup_window_seconds = WholeNumberField(
        _l("… unless it is older than"), [InputRequired()], default=3600, description=_l("seconds")
    )
    overlap = SelectField(
        _l("While the run before is still under way"),
        choices=options([(Overlap.ALLOW, _l("run again")), (Overlap.SKIP, _l("skip"))]),
    )
    max_run_seconds = WholeNumberField(
        _l("A run counts as lost after"), [InputRequired()], default=3600, description=_l("seconds")
    )
    expires_seconds = WholeNumberField(
        _l("A run that no worker took is dropped after"),
        [Optional()],
        description=_l("seconds; empty: never"),
    )
    jitter_seconds = WholeNumberField(
        _l("Spread by up to"), [InputRequired()], default=0, description=_l("seconds")
    )
    comment = TextField(_l("Why this change"), 500)

    def load(self, row: Row[Any]) -> None:
        """Show a stored schedule."""
        zone = _zone_or_utc(row.timezone)
        for name in ("at", "start_at", "end_at"):
            self[name].data = _local(row._mapping[name], zone)
        self.way.data, self.comment.data = row.kind, None
        weekly = _WEEKLY.fullmatch(row.crontab or "") if row.kind == Kind.CRONTAB else None
        if weekly:
            minute, hour, days = weekly.groups()
            self.way.data, self.time.data = WEEKLY, f"{int(hour):02}:{int(minute):02}"
            every = [day for day, _word in WEEKDAYS]
            self.weekdays.data = every if days == "*" else days.replace("7", "0").split(",")
        if row.every_seconds:
            size = next(size for size, _word in UNITS if row.every_seconds % size == 0)
            self.every.data, self.unit.data = row.every_seconds // size, str(size)
        if row.origin == Origin.BUILTIN:
            del self.task, self.args

    def values(self) -> dict[str, Any]:
        """Return the columns that the form sets.

        Raises:
            InputError: a time or an interval that cannot be read; the finding names the field.
        """
        zone = named_zone(self.timezone.data or "")
        kind = Kind.CRONTAB if self.way.data == WEEKLY else Kind(self.way.data)
        kept = {
            name: self[name].data
            for name in ("description", "task", "args", "is_enabled", *_CHOSEN)
            if name in self
        }
        return {
            **kept,
            "kind": str(kind),
            "timezone": zone.key,
            "every_seconds": self._seconds() if kind is Kind.INTERVAL else None,
            "crontab": self._expression() if kind is Kind.CRONTAB else None,
            "at": self._moment("at", zone) if kind is Kind.ONCE else None,
            "start_at": self._moment("start_at", zone),
            "end_at": self._moment("end_at", zone),
        }

    def _seconds(self) -> int:
        return int(self.every.data or 0) * int(self.unit.data)

    def _expression(self) -> str:
        if self.way.data != WEEKLY:
            return str(self.crontab.data or "")
        found = _TIME.fullmatch((self.time.data or "").strip())
        if found is None:
            raise InputError.at("/time", "time", "hours and minutes, such as 23:00")
        days = self.weekdays.data or []
        if not days:
            raise InputError.at("/weekdays", "required", "choose one weekday at least")
        chosen = "*" if len(set(days)) == len(WEEKDAYS) else ",".join(days)
        return f"{int(found[2])} {int(found[1])} * * {chosen}"

    def _moment(self, name: str, zone: ZoneInfo) -> datetime | None:
        text = (self[name].data or "").strip()
        return read_time(name, text, zone) if text else None


_CHOSEN = (
    "catchup",
    "catchup_window_seconds",
    "overlap",
    "max_run_seconds",
    "expires_seconds",
    "jitter_seconds",
)


class NewScheduleForm(ScheduleForm):
    """The same with a name, which stays."""

    name = TextField(_l("Name"), 100, InputRequired(), description=_l("such as nightly-totals"))


FIELD_OF: Mapping[str, str] = {"every_seconds": "every", "zone": "timezone", "kind": "way"}
"""Fields of the form by what the services call them, where they are not called the same."""


def zones() -> list[str]:
    """Return the time zones to choose from."""
    return sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")


def _zone_or_utc(name: str) -> ZoneInfo:
    try:
        return named_zone(name)
    except InputError:
        return ZoneInfo("UTC")  # the row is broken, and the page says so


def _local(moment: datetime | None, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime(_LOCAL) if moment else ""
