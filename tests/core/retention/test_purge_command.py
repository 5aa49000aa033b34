"""`manage.py purge`: what it says, what it asks, and how it ends."""

from datetime import timedelta

import pytest
from flask import Flask

from core import actor, leases, living, upgrading
from core.clock import utcnow
from core.db import database, unit_of_work
from core.errors import ConflictError
from core.living import Living
from core.retention import running
from core.retention.models import RetentionRun
from invoices.models import Document
from invoices.services import retention
from tests.support import ageing, desk
from tests.support.console import Console
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database

DOCUMENTS = Document.__table__
RUNS = RetentionRun.__table__
LENGTH = timedelta(minutes=1)
OLD = ("purge", "--kind", "documents", "--older-than", 365)


@pytest.fixture(autouse=True)
def _later(monkeypatch: pytest.MonkeyPatch) -> None:
    ageing.look_back(monkeypatch)


@pytest.fixture
def settled(source: SourceWithKey) -> None:
    """Two invoices that are delivered, and one that is not."""
    for _ in range(2):
        add_invoice(source)
    ageing.settle()
    add_invoice(source)


@pytest.mark.parametrize("days", ["0", "-1", "abc", "29", "1e3", "36501"])
def test_days_that_are_none_are_wrong_use(console: Console, days: str) -> None:
    done = console("purge", "--kind", "documents", "--older-than", days)

    assert done.code == 2, done.out
    assert "--older-than" in done.err


def test_a_length_alone_is_no_order_to_take_everything(console: Console) -> None:
    assert console("purge", "--older-than", 365, "--yes").code == 2


def test_a_dry_run_tells_and_changes_nothing(console: Console, settled: None) -> None:
    [line] = console(*OLD, "--dry-run", "--json").json()

    sizes = [row.size for row in desk.rows(DOCUMENTS)]
    assert (line["kind"], line["kept_days"], line["rows"]) == ("documents", 365, 2)
    assert line["bytes"] == sum(sizes[:2])
    assert line["kept_back"] == {"not final": 1}
    assert line["oldest_at"] < line["newest_at"]
    assert all(row.body for row in desk.rows(DOCUMENTS))
    assert desk.rows(RUNS) == []


def test_it_takes_away_and_says_how_much(console: Console, settled: None) -> None:
    [line] = console(*OLD, "--yes", "--json", "--reason", "spring cleaning").json()

    assert (line["kind"], line["rows"]) == ("documents", 2)
    assert [bool(row.body) for row in desk.rows(DOCUMENTS)] == [False, False, True]
    run = desk.only(RUNS)
    assert (run.state, run.row_count, run.reason) == ("done", 2, "spring cleaning")
    assert run.asked_by.startswith("command line")


def test_nobody_who_answers_means_no(
    console: Console, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(_prompt: str = "") -> str:
        raise EOFError

    monkeypatch.setattr("click.termui.visible_prompt_func", ended)
    done = console(*OLD)

    assert done.code == 1
    assert "not final" in done.out
    assert all(row.body for row in desk.rows(DOCUMENTS))


def test_without_settings_nothing_goes(console: Console, settled: None) -> None:
    rows = console("purge", "--dry-run", "--json").json()

    assert {row["kept_days"] for row in rows} == {None}
    assert console("purge", "--yes").code == 0
    assert all(row.body for row in desk.rows(DOCUMENTS))


def test_ctrl_c_leaves_whole_batches_and_says_so(
    console: Console, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGE", 1)
    empty, seen = retention.empty, []

    def interrupted(connection: object, ids: list[object]) -> None:
        empty(connection, ids)  # type: ignore[arg-type]
        seen.append(ids)
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(retention, "empty", interrupted)
    done = console(*OLD, "--yes")

    assert (done.code, done.err.count("Traceback")) == (130, 0)
    assert [bool(row.body) for row in desk.rows(DOCUMENTS)] == [False, True, True]
    run = desk.only(RUNS)
    assert (run.state, run.row_count) == ("stopped", 1)

    monkeypatch.setattr(retention, "empty", empty)
    [line] = console(*OLD, "--yes", "--json").json()
    assert line["rows"] == 1


def test_two_runs_at_once_are_one(console: Console, settled: None) -> None:
    held = running.taken()

    done = console(*OLD, "--yes")

    assert (done.code, "runs already" in done.err) == (1, True)
    running.let_go(held)
    assert console(*OLD, "--yes").code == 0


def test_a_run_whose_lease_another_has_taken_ends(
    settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = running.taken()
    with unit_of_work() as connection:
        leases.release(connection, held)
    running.taken()

    with pytest.raises(ConflictError), unit_of_work() as connection:
        running.renewed(connection, held)


def test_nothing_goes_while_an_older_version_is_at_work(
    console: Console, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would hand an emptied document over as it is."""
    old = Living(name="worker old@host", version="0.0.1", seen_at=utcnow())
    monkeypatch.setattr(upgrading, "older", lambda _database: [old])

    done = console(*OLD, "--yes")

    assert (done.code, "worker old@host" in done.err) == (1, True)
    assert all(row.body for row in desk.rows(DOCUMENTS))


def test_a_beat_that_leads_is_in_nobodys_way(console: Console, settled: None) -> None:
    """It hands no document over, and does not say its version."""
    with unit_of_work() as connection:
        assert isinstance(leases.take(connection, living.BEAT, LENGTH), leases.Held)
    assert [one.is_beat for one in upgrading.older(database())] == [True]

    done = console(*OLD, "--yes")

    assert done.code == 0, done.err
    assert [len(row.body) for row in desk.rows(DOCUMENTS)].count(0) == 2


def test_a_setting_is_not_undercut(
    app: Flask, console: Console, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUVERT_KEEP_DOCUMENTS", "3650")
    from core.settings import current

    current.cache_clear()
    try:
        done = console(*OLD, "--yes")
    finally:
        monkeypatch.delenv("KUVERT_KEEP_DOCUMENTS")
        current.cache_clear()

    assert (done.code, "KUVERT_KEEP_DOCUMENTS keeps them for 3650 days" in done.err) == (1, True)
    assert actor.current()
