"""The secret key that Kuvert makes for itself on one machine (SQLite): a file in its home."""

import os
import secrets
from pathlib import Path

from core import owners
from core.errors import KuvertError

FILE_NAME = "secret_key"
SHORTEST = 32


def read_or_make(home: Path) -> str:
    """Return the key kept in `home`, made at the first call (file mode 0600).

    Processes that start at once all get the same key: the finished file is put in place by a
    hard link, which only the first can do and which never shows a half-written file.

    Raises:
        KuvertError: the folder or file cannot be written or read, or the key is damaged.
    """
    path = home / FILE_NAME
    try:
        if not path.exists():
            _make(path)
        key = path.read_text(encoding="ascii").strip()
    except OSError as error:
        where = error.filename or path
        raise KuvertError(
            f"KUVERT_HOME: cannot keep the secret key in {where}: {error.strerror}"
            f"{owners.hint(path, path.parent)}"
        ) from error
    except UnicodeDecodeError:
        key = ""
    if len(key) < SHORTEST:
        raise KuvertError(
            f"KUVERT_HOME: {path} is damaged; put back the file from a backup (a new key ends"
            " all sessions and changes every subscriber's secret)"
        )
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{FILE_NAME}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        _write(draft, secrets.token_urlsafe(48))
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another process was first; its key is the key
    finally:
        draft.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
