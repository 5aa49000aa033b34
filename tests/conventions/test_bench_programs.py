"""What the benchmarks start and import runs where nothing but them is installed."""

import re
import subprocess
import sys

from tests.support.data import ROOT

_NAMED = re.compile(r"\btests\.support(?: import |\.)(\w+)")


def test_the_benchmarks_use_nothing_of_the_tests_that_needs_pytest() -> None:
    folder = ROOT / "tests" / "benchmarks"
    texts = [path.read_text() for path in folder.glob("*.py") if not path.name.startswith("test_")]
    names = sorted({name for text in texts for name in _NAMED.findall(text)})
    lines = [f"import tests.support.{name}" for name in names]
    program = "\n".join(["import sys", "sys.modules['pytest'] = None", *lines])

    done = subprocess.run(
        (sys.executable, "-c", program), cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert {"mail_server", "million"} <= set(names)
    assert (done.returncode, done.stderr) == (0, "")
