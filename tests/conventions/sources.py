"""The code of Kuvert, read as text and as syntax trees."""

import ast
from functools import cache
from pathlib import Path

from tests.support.data import ROOT

PACKAGES = ("core", "status", "invoices", "callbacks", "admin")


@cache
def files() -> dict[str, ast.Module]:
    """Return the syntax tree of each file of the packages and of manage.py, by its path."""
    paths = [path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]
    paths.append(ROOT / "manage.py")
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in paths}


def modules() -> list[str]:
    """Return the dotted names of all modules."""
    return [
        path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in files()
    ]


def lines_of(path: str) -> int:
    """Count the lines of a file."""
    return len(Path(ROOT, path).read_text("utf-8").splitlines())


def calls(tree: ast.AST, method: str) -> list[ast.Call]:
    """Return the calls of a method or function by its last name."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _last_name(node.func) == method
    ]


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def imports(tree: ast.AST) -> list[str]:
    """Return what a module imports, `from a import b` as `a.b`."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found
