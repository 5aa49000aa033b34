"""Running manage.py as people do."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Manage:
    """manage.py with a home of its own; nothing of the test's environment reaches it."""

    home: Path
    environ: Mapping[str, str]

    def __call__(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        plain = {name: text for name, text in os.environ.items() if not name.startswith("KUVERT_")}
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *args],
            env={**plain, "KUVERT_HOME": str(self.home), **self.environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

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
