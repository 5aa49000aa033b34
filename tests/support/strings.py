"""Texts that have broken somebody's program before; they are not part of Kuvert."""

import json

from tests.support.data import shared_data


def naughty() -> list[str]:
    """Return the naughty strings: scripts, right-to-left text, control characters, and more."""
    return _texts("strings/naughty.jsonl", "text")


def formulas() -> list[str]:
    """Return what a spreadsheet would run when it opens an export."""
    return _texts("hostile/csv_formula.jsonl", "cell")


def _texts(name: str, key: str) -> list[str]:
    lines = (shared_data() / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)[key] for line in lines]
