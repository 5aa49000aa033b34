"""The application for commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from core import actor
from core.errors import UnavailableError
from core.logs import set_up
from core.settings import current
from core.staff import command_line_user
from core.visible import visible

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.exc import DBAPIError

_NO_TABLE = ("no such table", "does not exist", "doesn't exist")


@contextmanager
def application(*, says_paused: bool = True) -> Iterator["Flask"]:
    """Build the application and open its context for the length of a command.

    `says_paused`: say it first when nothing goes out, for which the database is asked.

    Raises:
        UnavailableError: the database cannot be used; in one line, without its password.
    """
    from sqlalchemy.exc import OperationalError, ProgrammingError

    from core.app import create_app

    set_up(current())
    app = create_app(has_pages=False)
    with app.app_context(), actor.acting(command_line_user()):
        try:
            if says_paused:
                _say_paused()
            yield app
        except (OperationalError, ProgrammingError) as error:
            raise UnavailableError(_why(error)) from error


def _say_paused() -> None:
    """Say on stderr that nothing goes out, if that is so: whoever works with Kuvert must know."""
    from sqlalchemy.exc import OperationalError, ProgrammingError

    from core import pauses
    from core.db import reading

    try:
        with reading() as connection:
            lasting = pauses.current(connection)
    except (OperationalError, ProgrammingError) as error:
        # Before the first `db upgrade` there is no table; the command itself says what lacks.
        if not _is_empty(error):
            raise
        return
    if lasting is not None:
        click.echo(visible(f"Note: {lasting}"), err=True)


def _is_empty(error: "DBAPIError") -> bool:
    return any(words in str(error.orig) for words in _NO_TABLE)


def _why(error: "DBAPIError") -> str:
    """Say which database failed, how, and what often helps."""
    from core.db import database

    where = database().url.render_as_string(hide_password=True)
    reason = str(error.orig).strip().splitlines()[0]
    remedy = "; run manage.py db upgrade" if _is_empty(error) else database().hint()
    return f"cannot use {where}: {reason}{remedy}"
