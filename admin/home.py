"""The start page: how many invoices are where, and whether everything is alive."""

from typing import Any

from flask import current_app
from flask_admin import AdminIndexView, expose
from sqlalchemy import Connection, select

from admin.page import Page
from core import heartbeats
from core.db import database_time, reading
from core.depths import Depth, depths
from core.errors import UnavailableError
from core.schedules import queries as schedule
from invoices import board
from invoices.models import Provider, ProviderState
from status.models import Status

PROVIDERS = Provider.__table__

NEEDS_SOMEBODY = (Status.UNKNOWN, Status.HELD, Status.FAILED, Status.UNDELIVERABLE)
"""Where nothing happens unless a person does something."""


class Home(Page, AdminIndexView):
    """What staff look at in the morning."""

    @expose("/")
    def index(self) -> str:
        """Show the start page."""
        with reading() as connection:
            workers = heartbeats.workers(connection, database_time(connection))
            shown = {
                "counts": board.counts(connection),
                "oldest": {item.status: item for item in board.oldest(connection)},
                "money": board.undelivered(connection),
                "workers": workers,
                "unserved": heartbeats.unserved(workers),
                "beat": schedule.beat_status(connection),
                "alarms": [line for line in schedule.lines(connection) if line.alarm or line.error],
                "providers": _odd_providers(connection),
            }
        return self.render(
            "kuvert/admin/home.html", needs_somebody=NEEDS_SOMEBODY, depths=_depths(), **shown
        )


def _odd_providers(connection: Connection) -> list[Any]:
    """Return the providers that are given no work, or have an alarm."""
    columns = PROVIDERS.c
    shown = (columns.id, columns.code, columns.state, columns.state_reason, columns.alarm)
    is_odd = (columns.state != ProviderState.ACTIVE) | columns.alarm.is_not(None)
    return list(connection.execute(select(*shown).where(is_odd).order_by(columns.code)))


def _depths() -> list[Depth] | None:
    """Return how much waits in each queue; None when the broker does not answer."""
    try:
        return depths(current_app.extensions["celery"])
    except UnavailableError:
        return None
