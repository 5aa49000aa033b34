"""What systemd itself says of our units, and that they leave no queue out."""

import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from core.queues import GROUPS, QUEUE_OF, SIGNALS
from tests.deploy import units
from tests.support.data import missing

SERVICES = ("kuvert-web.service", "kuvert-worker@.service", "kuvert-beat.service")
LONGEST_STOP = 30


@pytest.fixture(autouse=True)
def analyze() -> None:
    """Debian's systemd; it need not run."""
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze", "make services")


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    for path in units.all_units():
        text = path.read_text().replace(units.PYTHON, sys.executable)
        (tmp_path / path.name.replace("@.", "@dispatch.")).write_text(text)

    code, said = units.run("systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir())))

    assert (code, said) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_little(name: str) -> None:
    _, said = units.run(
        "systemd-analyze", "security", "--offline=true", "--no-pager", str(units.SYSTEMD / name)
    )

    level = re.search(r"Overall exposure level for \S+ ([0-9.]+)", said)
    assert level is not None, said
    print(level[0])
    assert float(level[1]) <= 2.0


@pytest.mark.parametrize("name", [*SERVICES, "kuvert-web.socket"])
def test_the_target_moves_every_unit(name: str) -> None:
    unit = units.values(name)

    assert unit["PartOf"] == ["kuvert.target"]
    assert "kuvert.target" in unit["WantedBy"][0].split()


@pytest.mark.parametrize("name", SERVICES)
def test_a_stop_has_time_enough(name: str) -> None:
    assert int(units.values(name)["TimeoutStopSec"][0]) > LONGEST_STOP


def test_the_groups_of_workers_take_from_every_queue_once() -> None:
    taken = Counter(queue for group in GROUPS.values() for queue in group.queues)

    assert taken == Counter(QUEUE_OF.values())


def test_pumps_run_one_at_a_time() -> None:
    assert all(
        group.concurrency == 1 for group in GROUPS.values() if set(group.queues) & set(SIGNALS)
    )
