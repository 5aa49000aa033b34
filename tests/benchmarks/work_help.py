"""What `--help` takes, beside a process that imports everything: commands import when called."""

import subprocess
import sys
import time

from manage import COMMANDS
from tests.benchmarks.kuvert import Desk
from tests.benchmarks.processes import ROOT
from tests.benchmarks.report import Goal, Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage
from tests.support.commands import every_command

ROUNDS = 7
GOAL = 0.33
_ALL = """
import importlib, pkgutil
for root in ("core", "status", "invoices", "callbacks", "admin"):
    for found in pkgutil.walk_packages(importlib.import_module(root).__path__, f"{root}."):
        # These two build and export an application; importing is all that is asked here.
        if found.name not in ("core.wsgi", "core.worker"):
            importlib.import_module(found.name)
"""


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Ask manage.py for its help, and whichever command is slowest to give its own."""
    paths = [path for path, _ in every_command(COMMANDS)]
    slowest = max(paths, key=lambda path: _help(stage, path))
    plain, own, everything = in_turns(
        lambda: _help(stage, ()),
        lambda: _help(stage, slowest),
        lambda: _milliseconds(stage, "-c", _ALL),
        rounds=ROUNDS,
    )
    return [_row((), plain, everything), _row(slowest, own, everything)]


def _row(path: tuple[str, ...], ours: float, everything: float) -> Row:
    return Row(
        name=" ".join(("manage.py", *path, "--help")),
        ours=ours,
        other=everything,
        against="everything imported",
        unit="ms",
        goal=GOAL,
        kind=Goal.AT_MOST,
    )


def _help(stage: Stage, path: tuple[str, ...]) -> float:
    return _milliseconds(stage, "manage.py", *path, "--help")


def _milliseconds(stage: Stage, *arguments: str) -> float:
    """Return how long a process takes from its start to its end."""
    began = time.perf_counter()
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=ROOT, env=stage.environ, check=True, capture_output=True)
    return (time.perf_counter() - began) * 1e3
