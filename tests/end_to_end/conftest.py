"""One installation per backend for all tests that do not break anything."""

from collections.abc import Iterator

import pytest

from tests.end_to_end.desk import BACKENDS, Desk, desk


@pytest.fixture(scope="session", params=BACKENDS)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """A desk with web, a worker and beat that the tests of a backend share."""
    folder = tmp_path_factory.mktemp(f"desk-{request.param}")
    with desk(request.param, folder, "web", "worker", "beat") as running:
        yield running
