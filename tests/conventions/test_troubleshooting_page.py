"""docs/troubleshooting.md quotes what Kuvert really says, and names what really is."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from core.doctor.examining import CHECKS
from status.models import Status
from tests.support.data import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
_CODE = re.compile(r"`([^`]+)`")
_SHORTEST = 4


def rows(heading: str) -> list[list[str]]:
    """The rows of a section's first table, without its head."""
    section = re.split(rf"^##+ {heading}$", PAGE, flags=re.MULTILINE)[1]
    table = re.split(r"^#", section, flags=re.MULTILINE)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def quoted() -> Iterator[str]:
    """All that stands as code where a reader looks for what was seen."""
    columns = {
        "Why an invoice is held or unknown": 0,
        "When doctor is red": 1,
        "When something does not start": 0,
        "When callers are refused": 0,
        "When staff cannot get in": 0,
        "Mail": 0,
        "In the log": 0,
    }
    for heading, column in columns.items():
        for row in rows(heading):
            yield from _CODE.findall(row[column])


def _strings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def said_by_the_code() -> str:
    """Every text of the program, one after another."""
    packages = ("admin", "callbacks", "core", "invoices", "status")
    paths = [path for name in packages for path in (ROOT / name).rglob("*.py")]
    texts = [text for path in paths for text in _strings(path)]
    script = (ROOT / "deploy" / "install.sh").read_text(encoding="utf-8")
    return "\n".join([*texts, script])


@pytest.mark.parametrize("message", sorted(set(quoted())))
def test_what_is_quoted_is_said_by_the_code(message: str) -> None:
    pieces = [piece for piece in message.split("…") if len(piece.strip()) >= _SHORTEST]

    assert pieces or message in said_by_the_code()
    assert [piece for piece in pieces if piece not in said_by_the_code()] == []


def test_every_status_is_explained() -> None:
    explained = [row[0].strip("`") for row in rows("What each status asks of you")]

    assert sorted(explained) == sorted(str(status) for status in Status)


def test_the_checks_of_doctor_are_its_own() -> None:
    named = {name for row in rows("When doctor is red") for name in _CODE.findall(row[0])}

    assert named == CHECKS.keys() | {"mailbox", "providers"}
