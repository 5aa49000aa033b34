"""What the timer takes away, and when it leaves everything where it is."""

from dataclasses import replace
from functools import partial
from itertools import count

import pytest
from flask import Flask

from core import pauses
from core.db import unit_of_work
from core.retention import nightly, running, tasks
from core.retention.models import RetentionRun
from core.settings import Settings
from core.web import settings
from invoices.models import Document
from invoices.services import retention
from tests.support import ageing, desk
from tests.support.channel import FakeChannel
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database

DOCUMENTS = Document.__table__
RUNS = RetentionRun.__table__


@pytest.fixture
def kept(app: Flask, source: SourceWithKey, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings by which documents and attempts of two sent invoices are due."""
    for _ in range(2):
        add_invoice(source)
    desk.send(FakeChannel())
    ageing.look_back(monkeypatch)
    return replace(settings(), keep_documents=365, keep_attempts=30)


def there() -> list[bool]:
    return [bool(row.body) for row in desk.rows(DOCUMENTS)]


def test_what_has_a_setting_goes_and_the_rest_stays(kept: Settings) -> None:
    assert nightly.run(kept) == "documents: 2; attempts: 2"

    assert there() == [False, False]
    assert desk.rows(desk.ATTEMPTS) == []
    assert len(desk.rows(desk.EVENTS)) == 6
    assert [run.kind for run in desk.rows(RUNS)] == ["documents", "attempts"]


def test_without_a_setting_everything_stays(kept: Settings) -> None:
    assert "everything is kept" in nightly.run(settings())
    assert "everything is kept" in tasks.purge_expired()

    assert there() == [True, True]


def test_after_a_restore_everything_stays_until_somebody_resumes(kept: Settings) -> None:
    with unit_of_work() as connection:
        pauses.pause(connection, "restored")

    assert "dispatch is paused" in nightly.run(kept)
    assert there() == [True, True]


def test_a_run_ends_when_its_time_is_over_and_the_next_goes_on(
    kept: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGE", 1)
    monkeypatch.setattr(nightly, "SECONDS", 3)
    looks = count()  # each look at the clock is a second later than the one before
    for module in (nightly, running):
        monkeypatch.setattr(module, "monotonic", partial(next, looks))

    assert nightly.run(kept) == "documents: 1, more next time; attempts: next time"
    assert sorted(there()) == [False, True]

    monkeypatch.setattr(nightly, "SECONDS", 60)
    assert nightly.run(kept).startswith("documents: 1;")
    assert there() == [False, False]


def test_beside_another_run_it_says_so(kept: Settings) -> None:
    held = running.taken()

    assert "documents: retention runs already" in nightly.run(kept)

    running.let_go(held)
    assert there() == [True, True]
