"""Migrations on MySQL and MariaDB that go on where they were killed.

These engines commit each change of a table by itself. A migration that was killed half-way has no
revision yet and begins anew: what it has made already is taken as done. `db check` tells whether
all is as it should be in the end.
"""

import logging
from typing import Any

from alembic.ddl.mysql import MySQLImpl
from sqlalchemy.exc import DBAPIError

logger = logging.getLogger(__name__)

DONE = frozenset(
    {
        1050,  # the table exists
        1051,  # the table to drop is not there
        1060,  # the column exists
        1061,  # the index exists
        1062,  # the row is there: migrations enter rows whose names are unique
        1091,  # the column, index or key to drop is not there
        1359,  # the trigger exists
        1360,  # the trigger to drop is not there
        1826,  # the foreign key exists
    }
)
"""Errors that say that a step was done before."""


class Resumable(MySQLImpl):
    """Takes a step that was done before as done, and says so."""

    __dialect__ = "mysql"

    def _exec(self, construct: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as Alembic has it
        try:
            return super()._exec(construct, *args, **kwargs)
        except DBAPIError as error:
            code = error.orig.args[0] if error.orig and error.orig.args else None
            if code not in DONE:
                raise
            # Of a migration that was killed; a fresh one meets none of these.
            logger.warning(
                "done before by a migration that was ended", extra={"error": str(error.orig)}
            )
            return None
