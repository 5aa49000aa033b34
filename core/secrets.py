"""Secret references: where a secret is kept, written down instead of the secret itself.

`env:NAME` is an environment variable, `file:PATH` a file with an absolute path. Tables and
exports hold references only, so that a copy of the database gives no secret away. Beside
`core.settings` this is the one place that reads the environment.
"""

import os
import re
from pathlib import Path

from core.errors import InputError, KuvertError

_LARGEST_FILE = 65_536
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
# Whoever may edit a provider chooses its URL as well: a reference to one of Kuvert's own
# settings, or to what the kernel tells of this process, would send that away.
_OWN_PREFIX = "KUVERT_"
_KERNEL_FOLDERS = tuple(map(Path, ("/proc", "/sys", "/dev")))


class SecretReferenceError(KuvertError):
    """A reference that leads to no secret; the message names it, never a value."""

    slug = "secret-reference"
    title = "A secret cannot be read"


def check_reference(text: str, *, where: str = "") -> str:
    """Return `text` when it is a secret reference; looks up nothing.

    `where` is the JSON pointer that the finding carries.

    Raises:
        InputError: it is something else, a secret itself perhaps, and is not repeated.
    """
    kind, _, rest = text.partition(":")
    problem = _problem(kind, rest)
    if problem:
        raise InputError.at(where, "secret-reference", problem)
    return text


def resolve(reference: str) -> str:
    """Return the secret that `reference` leads to; a file's last line break is left out.

    Raises:
        InputError: `reference` is not a secret reference.
        SecretReferenceError: there is nothing there, or it is empty, too large or not UTF-8.
    """
    kind, _, rest = check_reference(reference).partition(":")
    value = os.environ.get(rest) if kind == "env" else _read(reference, Path(rest))
    if not value:
        raise SecretReferenceError(f"{reference} is empty or not set")
    return value


def _problem(kind: str, rest: str) -> str | None:
    """Return what is wrong with a reference, None when nothing is."""
    if kind == "env":
        return _problem_of_name(rest)
    if kind == "file":
        return _problem_of_path(rest)
    return "give a reference, env:NAME or file:/path, and not the secret itself"


def _problem_of_name(name: str) -> str | None:
    if not _NAME.fullmatch(name):
        return "env: needs the name of an environment variable"
    if name.upper().startswith(_OWN_PREFIX):
        return f"env: must not name one of Kuvert's own settings ({_OWN_PREFIX}…)"
    return None


def _problem_of_path(text: str) -> str | None:
    if not text.isprintable() or not Path(text).is_absolute():
        return "file: needs an absolute path"
    if _is_of_kernel(Path(os.path.normpath(text))):
        return "file: must not lead into /proc, /sys or /dev"
    return None


def _is_of_kernel(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _KERNEL_FOLDERS)


def _read(reference: str, path: Path) -> str:
    try:
        real = path.resolve(strict=True)
        if _is_of_kernel(real) or not real.is_file():
            raise SecretReferenceError(f"{reference} is not a regular file")
        with real.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead round in a circle
        raise SecretReferenceError(f"{reference} cannot be read: {_cause(error)}") from error
    if len(raw) > _LARGEST_FILE:
        raise SecretReferenceError(f"{reference} is larger than {_LARGEST_FILE} bytes")
    return _text(reference, raw)


def _text(reference: str, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        # Not chained: the exception holds the bytes of the secret.
        raise SecretReferenceError(f"{reference} is not UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")


def _cause(error: OSError | RuntimeError) -> str:
    return (isinstance(error, OSError) and error.strerror) or "the path leads round in a circle"
