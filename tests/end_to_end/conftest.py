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


ON_MYSQL = ("test_callbacks", "test_schedule")
"""What a usual run tries on MySQL too; the rest is the same code between the same broker and it."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep what shares an installation in one process of `--dist loadgroup`.

    Most of what runs over MySQL is left to the storms.
    """
    callspec = getattr(item, "callspec", None)
    backend = callspec and callspec.params.get("shared")
    if backend == "mysql" and item.path.stem not in ON_MYSQL:
        item.add_marker(pytest.mark.storm)
    item.add_marker(pytest.mark.xdist_group(f"desk-{backend}" if backend else item.path.stem))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave storms out of a run that does not ask for them by `-m storm`."""
    if "storm" in config.getoption("-m"):
        return
    left_out = [item for item in items if item.get_closest_marker("storm")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
