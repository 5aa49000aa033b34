"""The settings of tests."""

from pathlib import Path

from core.settings import Settings

ENVIRON = {
    "KUVERT_SECRET_KEY": "a-key-for-tests-and-nothing-else-0123",
    "KUVERT_ALLOW_PRIVATE_TARGETS": "on",
}


def make_settings(folder: Path, **values: str) -> Settings:
    """Read settings as if these KUVERT_… variables were set, with tests' answers for the rest."""
    given = {f"KUVERT_{name}": value for name, value in values.items()}
    environ = {**ENVIRON, "KUVERT_HOME": str(folder), **given}
    return Settings.from_environment(environ, root=folder)
