"""What a database error means for the caller: a part is away, or the storage is full."""

import errno
from enum import Enum

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_FULL_SQLSTATE = "53100"
"""PostgreSQL's disk_full."""

_FULL_SQLITE = "SQLITE_FULL"
_FULL_MYSQL = frozenset({1021, 1114})
"""ER_DISK_FULL and ER_RECORD_FILE_FULL."""


class Outage(Enum):
    """Why a request could not be served, though nothing was wrong with it."""

    AWAY = "away"
    FULL = "full"


def outage(error: BaseException) -> Outage | None:
    """Return what `error` says about the database or the disk; None when it is something else."""
    if isinstance(error, OSError):
        return Outage.FULL if error.errno in {errno.ENOSPC, errno.EDQUOT} else None
    if not isinstance(error, SQLAlchemyError):
        return None
    if isinstance(error, DBAPIError) and error.orig is not None and _is_full(error.orig):
        return Outage.FULL
    is_away = isinstance(error, (OperationalError, InterfaceError, PoolTimeoutError))
    is_cut = isinstance(error, DBAPIError) and error.connection_invalidated
    return Outage.AWAY if is_away or is_cut else None


def _is_full(error: BaseException) -> bool:
    """Tell whether the engine found no room to write; each driver says it in its own way."""
    number = error.args[0] if error.args else None
    return (
        getattr(error, "sqlstate", None) == _FULL_SQLSTATE
        or getattr(error, "sqlite_errorname", None) == _FULL_SQLITE
        or (isinstance(number, int) and number in _FULL_MYSQL)
    )
