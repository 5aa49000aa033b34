"""`manage.py invoice import`: from files into the desk."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from core.cli import FAILED, json_option
from core.cli_app import application
from core.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Row

    from invoices.importing import Counts, Record
    from invoices.schemas import QueryOptions

WORDS = {
    "accepted": "taken in",
    "already_here": "already here",
    "not_stored": "not stored",
    "bad": "bad",
}


@click.command(name="import")
@click.argument(
    "paths",
    metavar="FILE…",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
)
@click.option("--source", "source_name", metavar="NAME", required=True, help="Whose they are.")
@click.option("--provider", metavar="CODE", help="Who delivers, whatever the documents say.")
@click.option("--to", metavar="ADDRESS", help="To whom, whatever the documents say.")
@click.option("--skip-bad", is_flag=True, help="Take in the good ones all the same.")
@json_option
def import_files(
    *,
    paths: tuple[Path, ...],
    source_name: str,
    provider: str | None,
    to: str | None,
    skip_bad: bool,
    as_json: bool,
) -> int:
    """Take in the invoices of JSON, XML and NDJSON files.

    All files are one run: when a single invoice is bad, nothing of the run is stored, unless
    --skip-bad says otherwise. What is here already, byte for byte, is not bad. The exit code is
    1 when anything was bad, with --skip-bad too. --json writes one line per invoice.
    """
    from invoices import importing

    options = _options(provider, to)
    run = importing.import_good if skip_bad else importing.import_all
    with application(), _progress(paths, passes=1 if skip_bad else 2, as_json=as_json) as view:
        source = _source(source_name, provider)
        order = importing.Order(
            paths=paths,
            source_id=source.id,
            environment=source.environment,
            options=options,
            on_read=view.advance,
            on_end=_JsonLines(view) if as_json else _Lines(view),
        )
        counts = run(order)
    click.echo(_summary(counts), err=True)
    return FAILED if counts.bad else 0


def _options(provider: str | None, to: str | None) -> "QueryOptions":
    """Check what is given for all documents."""
    from core.errors import InputError
    from invoices.schemas import read_query_options

    given = {"provider": provider, "to": to}
    try:
        return read_query_options({name: text for name, text in given.items() if text is not None})
    except InputError as error:
        raise click.UsageError(error.detail) from error


def _source(name: str, provider: str | None) -> "Row[tuple[object, ...]]":
    """Find whose the invoices are, and see that the provider exists before anything is read."""
    from core.db import reading
    from core.errors import ConflictError
    from invoices import setup

    with reading() as connection:
        source = setup.source(connection, name)
        if provider:
            setup.provider(connection, provider)
    if source.is_disabled:
        raise ConflictError(f"The source {name} is disabled")
    return source


class _View(Protocol):
    """Where progress and lines are shown."""

    is_terminal: bool

    def advance(self, size: int) -> None:
        """Go on by bytes."""

    def line(self, text: str, *, is_error: bool) -> None:
        """Print one line."""


class _Plain:
    """Lines alone."""

    is_terminal = False

    def advance(self, size: int) -> None:
        """Show nothing: there is no bar."""

    def line(self, text: str, *, is_error: bool) -> None:
        """Print one line."""
        click.echo(text, err=is_error)


class _Bar:
    """A bar on the terminal, with lines above it."""

    is_terminal = True

    def __init__(self, advance: "Callable[[int], None]", write: "Callable[[str], None]") -> None:
        self.advance = advance
        self._write = write

    def line(self, text: str, *, is_error: bool) -> None:  # noqa: ARG002 - one place for both
        """Print one line above the bar."""
        self._write(text)


@contextmanager
def _progress(paths: tuple[Path, ...], *, passes: int, as_json: bool) -> "Iterator[_View]":
    """Show a bar where somebody watches; lines go out as they are where nobody does."""
    if as_json or not sys.stderr.isatty():
        yield _Plain()
        return
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

    total = passes * sum(path.stat().st_size for path in paths)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Importing", total=total)
        yield _Bar(
            lambda size: progress.update(task, advance=size),
            lambda text: progress.console.print(Text(text, overflow="fold")),
        )


class _JsonLines:
    """Writes one JSON object per line."""

    def __init__(self, view: _View) -> None:
        self._view = view

    def __call__(self, record: "Record") -> None:
        self._view.line(json.dumps(record), is_error=False)


class _Lines:
    """Writes one line per item for people; on a terminal only of what is bad."""

    def __init__(self, view: _View) -> None:
        self._view = view

    def __call__(self, record: "Record") -> None:
        result = record["result"]
        if result == "bad":
            self._view.line(f"{_place(record)}: {_why(record)}", is_error=True)
        elif result != "not_stored" and not self._view.is_terminal:
            words = f"{visible(record['number'])} {WORDS[result]} as {record['id']}"
            self._view.line(f"{_place(record)}: {words}, {record['status']}", is_error=False)


def _place(record: "Record") -> str:
    row = f" row {record['row']}" if record["row"] else ""
    return visible(record["file"]) + row


def _why(record: "Record") -> str:
    detail: str = record["problem"]["detail"]
    return visible(detail)


def _summary(counts: "Counts") -> str:
    parts = [
        f"{counts.by_result[result]:,} {words}"
        for result, words in WORDS.items()
        if counts.by_result.get(result)
    ]
    text = ", ".join(parts)
    is_undone = counts.bad and "accepted" not in counts.by_result
    return f"Nothing was stored: {text}" if is_undone else f"{text[:1].upper()}{text[1:]}"
