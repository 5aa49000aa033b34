"""The site that the tests of pages look at has something of everything."""

from sqlalchemy import Table, select

from callbacks.models import Callback, CallbackState
from core.schedules.models import RunState, ScheduleRun
from invoices.models import Invoice
from status.models import Push, PushState, Status
from tests.browser.site import Site


def test_there_are_rows_in_every_state(site: Site) -> None:
    def states(table: Table, column: str = "state") -> set[str]:
        with site.kuvert.database.single() as connection:
            return set(connection.scalars(select(table.c[column]).distinct()))

    assert states(Invoice.__table__, "status") == set(Status)
    assert states(Callback.__table__) >= set(CallbackState) - {CallbackState.CONFLICT}
    assert states(Push.__table__) >= set(PushState) - {PushState.EXHAUSTED}
    assert states(ScheduleRun.__table__) >= set(RunState) - {RunState.SENT}
