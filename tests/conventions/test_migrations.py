"""House rules of migrations: each says what becomes of the version before that still runs."""

import ast
from pathlib import Path

import pytest

from core.upgrading import PHASES
from tests.support.data import ROOT

FILES = sorted((ROOT / "migrations" / "versions").glob("[0-9]*.py"))
TAKES_AWAY = {"drop_column", "drop_table", "rename_table"}


def phase_of(tree: ast.Module) -> object:
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "phase":
            return ast.literal_eval(node.value)
    return None


def upgrade_of(tree: ast.Module) -> list[ast.Call]:
    """Every call outside of `downgrade`."""
    parts = [node for node in tree.body if getattr(node, "name", None) != "downgrade"]
    return [node for part in parts for node in ast.walk(part) if isinstance(node, ast.Call)]


def names_of(calls: list[ast.Call]) -> set[str]:
    return {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}


def is_told(call: ast.Call, name: str, value: object) -> bool:
    return any(
        word.arg == name and isinstance(word.value, ast.Constant) and word.value.value is value
        for word in call.keywords
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem[:4])
def test_each_says_whether_the_version_before_may_run(path: Path) -> None:
    """`phase = "add"`, `"fill"` or `"remove"`: core.upgrading says what they mean."""
    assert phase_of(ast.parse(path.read_text("utf-8"))) in PHASES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem[:4])
def test_what_is_safe_beside_it_takes_nothing_away(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    if phase_of(tree) == "remove":
        return
    calls = upgrade_of(tree)

    assert names_of(calls) & TAKES_AWAY == set()
    narrowed = [
        call
        for call in calls
        if getattr(call.func, "attr", None) == "alter_column" and is_told(call, "nullable", False)
    ]
    assert narrowed == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem[:4])
def test_a_new_column_may_be_left_out_by_the_version_before(path: Path) -> None:
    """It may be empty, or the database has a value for it."""
    tree = ast.parse(path.read_text("utf-8"))
    added = [
        inner
        for call in upgrade_of(tree)
        if getattr(call.func, "attr", None) == "add_column"
        for inner in ast.walk(call)
        if isinstance(inner, ast.Call) and getattr(inner.func, "attr", None) == "Column"
    ]

    silent = [
        ast.unparse(column)
        for column in added
        if is_told(column, "nullable", False)
        and not any(word.arg == "server_default" for word in column.keywords)
    ]
    assert phase_of(tree) == "remove" or silent == []
