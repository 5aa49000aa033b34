"""Whose a file is, which explains most refusals: root once ran a command, Kuvert's user cannot."""

import os
from contextlib import suppress
from pathlib import Path

from core.staff import login_name


def hint(*paths: Path) -> str:
    """Name, in parentheses, the first of `paths` that is there and not ours; empty for none."""
    for path in paths:
        # KeyError: the owner has a number and no name.
        with suppress(OSError, KeyError):
            if path.stat().st_uid != os.geteuid():
                return f" ({path} belongs to {path.owner()}, and this runs as {login_name()})"
    return ""
