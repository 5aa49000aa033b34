"""What stands above every page when something is wrong: no beat leads, nothing may go out."""

from dataclasses import dataclass

from flask_babel import gettext as _

from core import pauses
from core.db import database, reading
from core.schedules import queries


@dataclass(frozen=True, slots=True)
class Banner:
    """One sentence; `kind` is danger, warning or info, `endpoint` the page that mends it."""

    kind: str
    text: str
    endpoint: str


CALM = "a beat leads and dispatch goes on"
CALM_SECONDS = 1.0
"""How long each process believes that nothing is wrong; what is wrong is looked up each time."""


def banners() -> list[Banner]:
    """Return what is wrong now; each costs one indexed row."""
    if database().was(CALM):
        return []
    with reading() as connection:
        is_led = queries.leader(connection) is not None
        lasting = pauses.current(connection)
    found = []
    if not is_led:
        text = _("No beat is running: nothing on the schedule is done. Start it: manage.py beat.")
        found.append(Banner("danger", text, "schedule.index_view"))
    if lasting is not None:
        found.append(Banner("danger", _paused(lasting), "dispatch_pause.index_view"))
    if not found:
        database().remember(CALM, CALM_SECONDS)
    return found


def _paused(lasting: pauses.Pause) -> str:
    return _(
        "Dispatch is paused (%(reason)s): nothing is sent until somebody resumes it, under"
        " Operation or with manage.py dispatch resume.",
        reason=lasting.reason,
    )
