"""What pytest-xdist is to keep together stays together: else each process starts all of it anew."""

import subprocess
import sys
from pathlib import Path

GROUPED = """
import pytest

@pytest.mark.xdist_group("desk")
@pytest.mark.parametrize("number", range(2))
def test_it(number):
    pass
"""


def test_groups_are_known_to_who_distributes_the_tests(tmp_path: Path) -> None:
    (tmp_path / "test_grouped.py").write_text(GROUPED)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-v", "-n", "1", "--dist", "loadgroup"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.count("PASSED test_grouped.py::test_it[") == 2
    assert done.stdout.count("]@desk") >= 2
