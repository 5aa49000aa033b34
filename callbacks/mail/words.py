"""The phrases of mail systems, read from words.toml beside this file."""

import re
import tomllib
from pathlib import Path

_WORDS = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))


def phrases(name: str) -> re.Pattern[str]:
    """Return what finds any phrase of the list `name`, in any case of letters."""
    return _any(_WORDS["phrases"][name])


def reasons() -> list[tuple[str, re.Pattern[str]]]:
    """Return the names of the reasons, each with what finds it, in the order to try them."""
    return [(entry["name"], _any(entry["phrases"])) for entry in _WORDS["reasons"]]


def _any(found: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(found), re.IGNORECASE | re.MULTILINE)
