"""What stands above every page when something is wrong: no beat leads, a schedule has an alarm."""

from dataclasses import dataclass

from flask_babel import gettext as _

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
    if not _is_led():
        return [
            Banner(
                "danger",
                _("No beat is running: nothing on the schedule is done. Start it: manage.py beat."),
            )
        ]
    return []


def _is_led() -> bool:
    """Tell whether a beat leads; that none does is looked up each time, and ends at once."""
    if database().was(LED):
        return True
    with reading() as connection:
        is_led = queries.leader(connection) is not None
    if is_led:
        database().remember(LED, LED_SECONDS)
    return is_led
