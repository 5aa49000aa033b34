"""Loads settings from names without their prefix, and tells what was wrong with them."""

from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import Settings

KEY = "k-7Qw9Zx2Lm4Np6Rt8Vb1Yc3Df5Gh7Js"
POSTGRESQL = "postgresql+psycopg://kuvert:hunter2@db.internal/kuvert"


def load(root: Path, **values: str) -> Settings:
    environ = {f"KUVERT_{name}": value for name, value in values.items()}
    return Settings.from_environment(environ, root=root)


def problems(root: Path, **values: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(root, **values)
    assert "hunter2" not in str(caught.value)
    assert all("\n" not in line for line in caught.value.lines)
    return caught.value.lines


def problem(root: Path, **values: str) -> str:
    (line,) = problems(root, **values)
    return line
