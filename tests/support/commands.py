"""Every command that manage.py has."""

from collections.abc import Iterator, Mapping

import click

from core.cli import LazyCommand

Path = tuple[str, ...]


def every_command(table: Mapping[str, tuple[str, str]]) -> Iterator[tuple[Path, click.Command]]:
    """Yield each command of a table, groups and what is in them, with the words it is called by."""
    for name, (target, line) in table.items():
        yield from _walk((name,), LazyCommand(name, target=target, short_help=line).load())


def _walk(path: Path, command: click.Command) -> Iterator[tuple[Path, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, member in command.commands.items():
            yield from _walk((*path, name), member)
