"""A purge that is killed leaves whole batches, and the next one goes on."""

import os
import signal
import subprocess
import sys

import pytest
from sqlalchemy import Table

from core.leases import LEASES
from core.retention.kinds import get
from core.retention.models import RetentionRun
from invoices.models import Document
from tests.support import ageing, desk
from tests.support.channel import FakeChannel
from tests.support.data import ROOT
from tests.support.factories import SourceWithKey, add_invoice

pytestmark = pytest.mark.every_database

COMMAND = (sys.executable, "-m", "tests.support.dying_purge")


def left(kind: str) -> int:
    """How many rows of a kind are there still."""
    tables: dict[str, Table] = {"documents": Document.__table__, "events": desk.EVENTS}
    rows = desk.rows(tables[kind])
    return sum(bool(row.body) for row in rows) if kind == "documents" else len(rows)


@pytest.mark.every_case
@pytest.mark.parametrize(("kind", "counts"), [("documents", (7, 5, 0)), ("events", (21, 19, 7))])
def test_a_killed_purge_leaves_whole_batches_and_is_gone_on_with(
    source: SourceWithKey, database_url: str, kind: str, counts: tuple[int, int, int]
) -> None:
    for _ in range(7):
        add_invoice(source)
    desk.send(FakeChannel())
    ageing.settle("sent")
    before = left(kind)

    done = subprocess.run(
        [*COMMAND, "1", "purge", "--kind", kind, "--older-than", "30", "--yes"],
        env={**os.environ, "KUVERT_DATABASE_URL": database_url},
        cwd=ROOT,
        capture_output=True,
        check=False,
    )

    assert done.returncode == -signal.SIGKILL, done.stderr
    then = left(kind)
    killed = desk.only(RetentionRun.__table__)
    assert (killed.state, killed.row_count) == ("running", 2)

    desk.change(LEASES, holder=None)  # as when its five minutes are over
    assert ageing.purge(get(kind)).is_whole
    assert (before, then, left(kind)) == counts
    runs = desk.rows(RetentionRun.__table__)
    assert [run.state for run in runs] == ["stopped", "done"]
    assert runs[0].finished_at is not None
