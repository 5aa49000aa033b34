"""The site that the tests of pages look at has something of everything."""

from callbacks.models import CallbackState
from core.schedules.models import RunState
from status.models import PushState, Status
from tests.browser.site import Site

RARE = {CallbackState.CONFLICT, CallbackState.UNMATCHED}
"""States that this filling does not bring about; tests of the callbacks do."""


def test_there_are_rows_in_every_state(site: Site) -> None:
    assert site.filled["invoices"] == set(Status)
    assert site.filled["callbacks"] >= set(CallbackState) - RARE
    assert site.filled["pushes"] >= set(PushState) - {PushState.EXHAUSTED}
    assert site.filled["schedule_runs"] >= set(RunState) - {RunState.SENT}
