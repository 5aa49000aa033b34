"""A process that has imported Kuvert and forks for each command, which takes a second less.

Each command has a process, an environment and streams of its own, as manage.py gives it. Reads one
JSON document per line, `{"args": …, "environ": …, "in": FILE, "out": FILE, "err": FILE}`, and
answers each with a line: the exit code. With `"module"` it runs that program instead of manage.py.
"""

import json
import os
import runpy
import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import manage
from core.app import create_app
from tests.support.environment import make_settings

STDOUT, STDERR = 1, 2


def main() -> None:
    """Serve commands until the input ends."""
    for target, _ in manage.COMMANDS.values():
        import_module(target.partition(":")[0])
    with tempfile.TemporaryDirectory() as folder:
        # An application that nobody uses: it imports what commands import when they are called.
        create_app(make_settings(Path(folder)), has_pages=False)
    for line in sys.stdin:
        print(_run(json.loads(line)), flush=True)


def _run(order: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        _be(order)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _be(order: dict[str, Any]) -> None:
    """Become the command; does not return."""
    for name, stream in (("out", STDOUT), ("err", STDERR)):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), stream)
    os.dup2(os.open(order["in"], os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(order["environ"])
    sys.argv[1:] = order["args"]
    try:
        code = _program(order["module"])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _program(module: str) -> int:
    if not module:
        return manage.main()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    main()
