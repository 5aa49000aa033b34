"""What stands above every page when something is wrong: no beat leads, a schedule has an alarm."""

from dataclasses import dataclass

from flask_babel import gettext as _

from core.db import reading
from core.schedules import queries


@dataclass(frozen=True, slots=True)
class Banner:
    """One sentence; `kind` is danger, warning or info."""

    kind: str
    text: str


def banners() -> list[Banner]:
    """Return what is wrong now; each costs one indexed row."""
    with reading() as connection:
        leader = queries.leader(connection)
    if leader is None:
        return [
            Banner(
                "danger",
                _("No beat is running: nothing on the schedule is done. Start it: manage.py beat."),
            )
        ]
    return []
