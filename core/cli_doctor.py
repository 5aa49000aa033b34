"""`manage.py doctor`: whether everything is as it should be, and what to do where it is not."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from core.cli import FAILED, json_option, output

if TYPE_CHECKING:
    from core.doctor.examining import Line


@click.command()
@json_option
def doctor(*, as_json: bool) -> int:
    """Examine everything at once, within seconds; exit 1 when something has failed.

    Each line says how a thing is (ok, warn, fail, skipped), what that means and what to do.
    Nothing is changed and nothing sent.
    """
    from core.cli_app import application
    from core.doctor.examining import all_checks, examine, is_healthy

    with application(says_paused=False) as app, _quiet():
        lines = examine(app, _progress(len(all_checks())))
    output([_row(line) for line in lines], as_json)
    return 0 if is_healthy(lines) else FAILED


@contextmanager
def _quiet() -> Iterator[None]:
    """Let only errors be logged: what is away stands in the findings."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)


def _row(line: "Line") -> dict[str, object]:
    finding = line.finding
    return {
        "state": str(finding.state),
        "check": line.check,
        "about": finding.about,
        "means": finding.means,
        "remedy": finding.remedy,
    }


def _progress(total: int) -> Callable[[str], None] | None:
    """Return what counts the checks on a terminal; None elsewhere."""
    if not sys.stderr.isatty():
        return None
    lock = threading.Lock()
    ended: list[str] = []

    def show(name: str) -> None:
        with lock:
            ended.append(name)
            is_last = len(ended) == total
            text = "" if is_last else f"{len(ended)} of {total} checks, {name} is done"
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)

    return show
