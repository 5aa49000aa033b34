"""What stands above every page when something is wrong: no beat leads, nothing may go out."""

from dataclasses import dataclass

from flask_babel import gettext as _

from core import pauses
from core.db import database, reading
from core.schedules import queries


@dataclass(frozen=True, slots=True)
class Banner:
    """One sentence; `kind` is danger, warning or info."""

    kind: str
    text: str


LED = "a beat leads"
LED_SECONDS = 1.0
"""How long each process believes that a beat leads: far less than one may be silent."""


def banners() -> list[Banner]:
    """Return what is wrong now; each costs one indexed row."""
    found = []
    if not _is_led():
        text = _("No beat is running: nothing on the schedule is done. Start it: manage.py beat.")
        found.append(Banner("danger", text))
    with reading() as connection:
        lasting = pauses.current(connection)
    if lasting is not None:
        found.append(Banner("danger", _paused(lasting)))
    return found


def _paused(lasting: pauses.Pause) -> str:
    return _(
        "Dispatch is paused (%(reason)s): nothing is sent until somebody resumes it, under"
        " Operation or with manage.py dispatch resume.",
        reason=lasting.reason,
    )


def _is_led() -> bool:
    """Tell whether a beat leads; that none does is looked up each time, and ends at once."""
    if database().was(LED):
        return True
    with reading() as connection:
        is_led = queries.leader(connection) is not None
    if is_led:
        database().remember(LED, LED_SECONDS)
    return is_led
