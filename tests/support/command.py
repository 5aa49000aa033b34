"""Running manage.py as people do."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SPARE = (sys.executable, "-m", "tests.support.spare")

_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Manage:
    """manage.py with a home of its own; nothing of the test's environment reaches it."""

    home: Path
    environ: Mapping[str, str]

    def __call__(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        plain = {name: text for name, text in os.environ.items() if not name.startswith("KUVERT_")}
        return run(args, {**plain, "KUVERT_HOME": str(self.home), **self.environ})

    def json(self, *args: str) -> Any:  # noqa: ANN401
        """Run one command with --json, which must succeed, and return what it printed."""
        done = self(*args, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refusal(self, *args: str) -> str:
        """Run one command that must fail (exit 1) with one line, and return the line."""
        done = self(*args)
        assert done.returncode == 1, done.stdout
        [line] = done.stderr.splitlines()
        return line


def run(
    args: Sequence[str], environ: Mapping[str, str], *, module: str = "", stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run one command of manage.py, or `module` as a program, to its end; no other meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        given, out, err = (Path(folder, name) for name in ("in", "out", "err"))
        given.write_text(stdin)
        streams = {"in": str(given), "out": str(out), "err": str(err)}
        order = {"args": args, "environ": dict(environ), "module": module, **streams}
        with _one_at_a_time:
            code = _ask(json.dumps(order))
        return subprocess.CompletedProcess(args, code, out.read_text(), err.read_text())


@cache
def _spare() -> subprocess.Popen[str]:
    """Start what runs commands; it ends with this process, whose end of the pipe it reads."""
    spare = subprocess.Popen(
        SPARE, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(_end, spare)
    return spare


def _end(spare: subprocess.Popen[str]) -> None:
    """Close its pipes and wait until it has gone."""
    with spare:
        pass


def _ask(order: str) -> int:
    spare = _spare()
    assert spare.stdin
    assert spare.stdout
    print(order, file=spare.stdin, flush=True)
    return int(spare.stdout.readline())
