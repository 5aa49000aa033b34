"""Names of what a run of the tests makes outside itself; they tell whose it is, and since when.

A run that is killed leaves its databases and virtual hosts behind. A later one takes away what is
old and whose owner is gone.
"""

import os
import re
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

OLD_SECONDS = 3600
"""Younger ones are let be: an owner may be one that we cannot see, as in another container."""

_SLACK_SECONDS = 2
_START_FIELD = 19
"""Of /proc/PID/stat, counted from behind the name of the program: starttime, proc(5)."""

_NAME = re.compile(r"kuvert_test_(\d+)_([0-9a-f]+)_\w+")


def new_name() -> str:
    """Return a name that nobody has, for something of this process."""
    return f"kuvert_test_{os.getpid()}_{int(time.time()):x}_{secrets.token_hex(4)}"


def stale(names: Iterable[str]) -> list[str]:
    """Return the names of what is old and nobody's any more."""
    return sorted(name for name in names if is_stale(name))


def is_stale(name: str) -> bool:
    """Tell whether something is of a run of the tests that is over, and old."""
    found = _NAME.fullmatch(name)
    if found is None:
        return False
    owner, made_at = int(found[1]), int(found[2], 16)
    return time.time() - made_at > OLD_SECONDS and not _has_run_since(owner, made_at)


def _has_run_since(pid: int, moment: float) -> bool:
    """Tell whether a process runs and began before `moment`; numbers of processes come again."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    ticks = int(stat.rpartition(")")[2].split()[_START_FIELD])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age < moment + _SLACK_SECONDS
