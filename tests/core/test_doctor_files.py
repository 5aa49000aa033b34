"""Whom a file with secrets is open to, as `doctor` sees it."""

import os
from pathlib import Path

import pytest

from core.doctor.machine import _is_open

MODES = {0o600: False, 0o640: False, 0o644: True, 0o660: True}


@pytest.mark.parametrize("mode", MODES)
def test_a_file_of_root_may_be_read_by_our_group_alone(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "kuvert.env"
    path.touch()
    path.chmod(mode)

    # Whoever else owns it is not root: then the group may not read it either.
    assert _is_open(path, tmp_path) is (MODES[mode] if os.geteuid() == 0 else mode != 0o600)


def test_another_group_may_not_read_it(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another group")
    path = tmp_path / "kuvert.env"
    path.touch()
    os.chown(path, 0, 65534)
    path.chmod(0o640)

    assert _is_open(path, tmp_path)
