"""`--help` of every command is quick, because commands import what is large when they run.

`make bench ARGS='--only help'` measures how quick.
"""

import json
import subprocess
import sys

from tests.support.command import ROOT

PROGRAM = """
import contextlib, io, json, sys, sysconfig
import manage
from core.cli import LazyGroup, run
from tests.support.commands import every_command

group = LazyGroup(manage.COMMANDS, about="Kuvert.")
paths = [(), *(path for path, _ in every_command(manage.COMMANDS))]
for path in paths:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert run(group, [*path, "--help"]) == 0, path
    assert said.getvalue().startswith(" ".join(("Usage: manage.py", *path))), path
folder = sysconfig.get_path("purelib")
files = {name: str(getattr(module, "__file__", None)) for name, module in sys.modules.items()}
others = {name.partition(".")[0] for name, file in files.items() if file.startswith(folder)}
json.dump({"helps": len(paths), "others": sorted(others)}, sys.stdout)
"""


def test_no_help_imports_more_of_other_projects_than_click_and_cronsim() -> None:
    """Both are small; Flask-Admin, SQLAlchemy, Celery, lxml and such take a second or two."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["helps"] > 100
    assert set(found["others"]) - {"_distutils_hack"} == {"click", "cronsim"}
