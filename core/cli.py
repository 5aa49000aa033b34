"""The frame of the command line: commands found by name, errors as lines, exit codes.

Exit codes: 0 done, 1 failed, 2 wrong use, 78 wrong settings, 130 interrupted.
"""

import importlib
import io
import json
import os
import re
import select
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, TextIO

import click

from core.clock import rfc3339
from core.errors import KuvertError, SettingsError
from core.redaction import redact
from core.visible import visible

FAILED = 1
WRONG_USE = 2
WRONG_SETTINGS = 78
INTERRUPTED = 130
LONGEST_SHOWN = 80
_ENDLESS = 100_000
_STDOUT = 1

Row = Mapping[str, object]

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write JSON instead of a table for people."
)


class LazyCommand(click.Command):
    """A line in the help; the command itself is imported when it is called."""

    def __init__(self, name: str, *, target: str, short_help: str) -> None:
        super().__init__(name, help=short_help, short_help=short_help)
        self.target = target

    def load(self) -> click.Command:
        """Import and return the command that `target`, a `package.module:object`, names.

        Raises:
            TypeError: the object is no click command.
        """
        module, _, name = self.target.partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target} is no click command")
        return command

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """Return the context of the real command, which click then calls."""
        return self.load().make_context(info_name, args, parent, **extra)


def _version_option() -> click.Option:
    def show(context: click.Context, _option: click.Parameter, *, is_asked: bool) -> None:
        if is_asked:
            from core.version import VERSION

            click.echo(f"Kuvert {VERSION}")
            context.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        help="Show the version and exit.",
        callback=lambda context, option, value: show(context, option, is_asked=value),
    )


class LazyGroup(click.Group):
    """The commands of a table of name → (`package.module:object`, one line of help)."""

    def __init__(self, table: Mapping[str, tuple[str, str]], *, about: str) -> None:
        commands: list[click.Command] = [
            LazyCommand(name, target=target, short_help=short_help)
            for name, (target, short_help) in table.items()
        ]
        super().__init__(
            commands=commands,
            help=about,
            context_settings={"help_option_names": ["-h", "--help"]},
            params=[_version_option()],
        )

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click has it
        """Return the names in the order of the table, not of the alphabet."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        """Call the command; what it has written is out when this returns.

        Raises:
            ConnectionError: a connection broke. click would end without a word, taking that
                for a reader of our output that has gone away.
        """
        try:
            result: object = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            if _is_output_gone():
                raise
            raise ConnectionError("a connection broke") from error
        return result


def run(group: click.Group, args: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; a whole number that a command returns is one.

    Every error that Kuvert raises on purpose is one line on stderr, wrong settings one each.
    """
    _prepare_streams()
    try:
        result = group.main(args, prog_name="manage.py", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as error:
        return _aborted(error)
    except SettingsError as error:
        return _fail(error.lines, WRONG_SETTINGS)
    except KuvertError as error:
        return _fail([f"Error: {error.detail}"], FAILED)
    except UnicodeEncodeError as error:
        return _not_text(error, sys.argv if args is None else args)
    return result if isinstance(result, int) else 0


def output(rows: Row | Iterable[Row], as_json: bool) -> None:
    """Print rows as a table or as a JSON array; one row alone as pairs or as an object.

    JSON is ASCII whatever the locale is; times are RFC 3339, amounts and ids strings.
    """
    content = rows if isinstance(rows, Mapping) else list(rows)
    if as_json:
        click.echo(json.dumps(content, default=_json_value, indent=2))
    elif isinstance(content, Mapping):
        _print_table(["", ""], content.items(), show_header=False)
    elif content:
        columns = list(dict.fromkeys(name for row in content for name in row))
        lines = ([row.get(name) for name in columns] for row in content)
        _print_table(columns, lines, show_header=True)
    else:
        click.echo("Nothing to list.", err=True)


def _prepare_streams() -> None:
    # Python has None for a stream that was closed before the start (`>&-`).
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the locale cannot write is shown with escapes, not with a traceback.
            stream.reconfigure(errors="backslashreplace")


def _nowhere(mode: Literal["r", "w"]) -> TextIO:
    return Path(os.devnull).open(mode, encoding="utf-8")


def _aborted(error: click.Abort) -> int:
    # click gives the same error for Ctrl-C and for input that ended at a question.
    if isinstance(error.__context__, KeyboardInterrupt):
        return INTERRUPTED
    return _fail(["Error: the input ended before the answer; nothing was done"], FAILED)


def _not_text(error: UnicodeEncodeError, args: Sequence[str]) -> int:
    # Python keeps the bytes of an argument that are no text as lone surrogates. They are let in,
    # for a file may be called so; nothing else may.
    odd = next((one for one in args if re.search("[\udc80-\udcff]", one)), None)
    if odd is None:
        raise error
    shown = odd if len(odd) <= LONGEST_SHOWN else f"{odd[:LONGEST_SHOWN]}…"
    return _fail([f"Error: '{shown}' is not text: write it in UTF-8"], WRONG_USE)


def _fail(lines: Iterable[str], code: int) -> int:
    for line in lines:
        click.echo(visible(redact(line)), err=True)
    return code


def _is_output_gone() -> bool:
    # Asked of the system: a second flush does not fail again.
    poll = select.poll()
    poll.register(_STDOUT, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def _json_value(value: object) -> str:
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def _print_table(
    columns: Sequence[str], lines: Iterable[Iterable[object]], *, show_header: bool
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, show_header=show_header)
    for line in lines:
        # Text takes cells as they are: `[red]` in a name is no colour here.
        table.add_row(*(Text(_cell(value), overflow="fold") for value in line))
    # A pipe has no width; nothing is folded there, so that grep sees whole lines.
    console = Console(width=None if sys.stdout.isatty() else _ENDLESS, highlight=False)
    console.print(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(_json_value(value))
