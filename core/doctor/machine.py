"""What is set and kept on this machine: settings, secrets, the home folder."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from core import secret_key
from core.doctor.findings import Finding, Patient, fail, ok, warn
from core.setting_values import KEY_RECIPE
from core.settings import ENV_FILE, is_weak

MEBIBYTE = 1024 * 1024
LITTLE = 1024 * MEBIBYTE
TOO_LITTLE = 100 * MEBIBYTE
_BLOCK = 65_536
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def settings(patient: Patient) -> Iterator[Finding]:
    """Repeat what the start has warned of."""
    for line in patient.settings.warnings:
        name, _, means = line.partition(": ")
        yield warn(means, "see docs/configuration.md", about=name)
    if not patient.settings.warnings:
        yield ok(f"environment {patient.settings.environment}")


def _is_open(path: Path, home: Path) -> bool:
    """Tell whether others may use a file with secrets.

    What deploy/install.sh writes is right: root's, and readable by the group of our own folder.
    """
    found = path.stat()
    is_ours = found.st_uid == 0 and home.exists() and found.st_gid == home.stat().st_gid
    return bool(found.st_mode & _OTHERS & ~(stat.S_IRGRP if is_ours else 0))


def secrets(patient: Patient) -> Iterator[Finding]:
    """Look at the strength of the key, and who else may read the files with secrets."""
    is_strong = not is_weak(patient.settings.secret_key)
    if is_strong:
        yield ok("KUVERT_SECRET_KEY is strong")
    else:
        yield warn(
            "KUVERT_SECRET_KEY could be guessed; production refuses it",
            f"set the result of {KEY_RECIPE}; subscribers then need their new secrets",
        )
    for path in (patient.settings.home / secret_key.FILE_NAME, ENV_FILE):
        if path.exists() and _is_open(path, patient.settings.home):
            yield warn("other users of this machine may read it", f"chmod 600 {path}", str(path))


def disk(patient: Patient) -> Iterator[Finding]:
    """Write into the home folder, and see how much room is left."""
    home = patient.settings.home
    try:
        home.mkdir(parents=True, exist_ok=True)
        _write(home)
        free = shutil.disk_usage(home).free
    except OSError as error:
        yield fail(
            f"{home} cannot be written: {error.strerror or error}",
            f"give it to Kuvert's user and free some room (df {home})",
        )
        return
    room = f"{free / LITTLE:,.1f} GiB free in {home}"
    if free < TOO_LITTLE:
        yield fail(f"{room}; what needs more is answered 507", "free some room")
    elif free < LITTLE:
        yield warn(room, "free some room before it is gone")
    else:
        yield ok(room)


def _write(folder: Path) -> None:
    """Write a block to the very disk: a full one takes the name and refuses the content."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(_BLOCK))
        file.flush()
        os.fsync(file.fileno())
