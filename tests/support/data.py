"""Where the test data of the outside world is; it is not part of Kuvert."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def missing(what: str, remedy: str) -> None:
    """Skip the test in one line, or fail it where everything is required."""
    # Only now: the benchmarks use what is above, and have no pytest.
    import pytest

    line = f"{what} is missing: {remedy}"
    if os.environ.get("KUVERT_TEST_REQUIRE") == "all":
        pytest.fail(line)
    pytest.skip(line)


def shared_data() -> Path:
    """Return the folder of shared test data; skip the test where it is absent."""
    folder = Path(os.environ.get("KUVERT_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        missing(f"test data folder {folder}", "set KUVERT_SHARED_DATA")
    return folder
