"""House rules of the code that no linter knows."""

import ast
import re
from importlib import import_module

from tests.conventions.sources import PACKAGES, calls, files, imports, lines_of, modules

LONGEST_FUNCTION = 60
LONGEST_FILE = 400
PATHS = list(files())
CHANGING = re.compile(
    r"\s*(INSERT\s+INTO|REPLACE\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM)\s", re.IGNORECASE
)


def test_there_is_code_to_look_at() -> None:
    assert len(PATHS) > 50


def test_files_are_short() -> None:
    assert [path for path in PATHS if lines_of(path) >= LONGEST_FILE] == []


def test_functions_are_short() -> None:
    long = [
        f"{path}: {node.name}"
        for path, tree in files().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []


def test_half_of_all_functions_are_very_short() -> None:
    lengths = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for tree in files().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    )
    assert lengths[len(lengths) // 2] <= 10


def test_only_core_ends_a_transaction() -> None:
    ending = {
        path
        for path, tree in files().items()
        for name in ("commit", "rollback")
        if calls(tree, name)
    }
    assert ending <= {"core/db.py"}


def test_only_the_settings_and_the_secrets_read_the_environment() -> None:
    readers = {
        path
        for path, tree in files().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"environ", "getenv", "environb"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    assert readers <= {"core/settings.py", "core/secrets.py"}


def test_no_package_imports_another_s_tasks() -> None:
    wrong = {
        (path, name)
        for path, tree in files().items()
        for name in imports(tree)
        for package in PACKAGES
        if f"{name}.".startswith(f"{package}.tasks.") and not path.startswith(f"{package}/")
    }
    assert wrong == set()


def test_files_say_what_is_in_them() -> None:
    assert [path for path, tree in files().items() if not ast.get_docstring(tree)] == []


def test_rows_are_not_changed_by_sql_as_text() -> None:
    """The audit does not see it. What core.database writes past SQLAlchemy is not audited."""
    wrong = {
        f"{path}:{node.lineno}"
        for path, tree in files().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and CHANGING.match(node.value)
        and not path.startswith("core/database/")
    }
    assert wrong == set()


def test_nothing_waits_by_sleeping() -> None:
    assert {path for path, tree in files().items() if calls(tree, "sleep")} == set()


def test_an_exception_is_never_swallowed() -> None:
    swallowed = {
        f"{path}:{node.lineno}"
        for path, tree in files().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and all(isinstance(step, ast.Pass) for step in node.body)
    }
    assert swallowed == set()


def test_every_module_can_be_imported() -> None:
    for name in modules():
        if name not in {"core.wsgi", "core.worker", "manage"}:  # these build an application
            import_module(name)
