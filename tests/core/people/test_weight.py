"""What login costs those who have no use for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.data import ROOT
from tests.support.environment import ENVIRON

HEAVY = {"flask_security", "flask_admin", "flask_babel", "webauthn", "passlib", "qrcode"}


@pytest.mark.parametrize(
    "program",
    [
        "import core.worker",
        "import sys; sys.argv[1:] = ['--help']; import manage; manage.main()",
        "import sys; sys.argv[1:] = ['user', '--help']; import manage; manage.main()",
        "import core.people.services",
    ],
    ids=["worker", "help", "user", "services"],
)
def test_only_the_web_process_imports_it(program: str, tmp_path: Path) -> None:
    said = f"{program}\nimport sys; print(sorted(sys.modules), file=sys.stderr)"

    done = subprocess.run(
        [sys.executable, "-c", said],
        cwd=ROOT,
        env={**ENVIRON, "KUVERT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = {name.strip("'").partition(".")[0] for name in done.stderr[1:-2].split(", ")}
    assert "core" in loaded
    assert HEAVY & loaded == set()
