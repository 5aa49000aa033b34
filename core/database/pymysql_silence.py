"""Connections that notice when nobody answers any more, as psycopg_silence has them.

Whoever has waited a while for an answer asks, over a new connection, whether the server is there
and still at work for us. PyMySQL itself only knows how long an answer may take, which is as long as
the longest statement.
"""

import io
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import pymysql
from pymysql.constants import CR
from pymysql.cursors import Cursor
from pymysql.err import OperationalError

from core.database import silence
from core.database.silence import ASKING_SECONDS, PATIENCE_SECONDS

logger = logging.getLogger(__name__)

LONGEST_SECONDS: Final = 30.0
"""How long an answer may take, unless the connection is told to be patient."""

UNACKNOWLEDGED_SECONDS: Final = 4
"""How long what is sent may stay unacknowledged by the other host; a long statement's is not."""

_HOST: Final = "SELECT @@hostname"
_AT_WORK: Final = (
    "SELECT command <> 'Sleep' FROM information_schema.processlist"
    " WHERE id = %s AND @@hostname = %s"
)
_UPTIME: Final = "SHOW GLOBAL STATUS LIKE 'Uptime'"
_END: Final = "KILL %s"
_FIRST_OF_CLIENT, _LAST_OF_CLIENT = 2000, 2999
"""Errors with these numbers are of our side of the connection: the server has said nothing."""


def connect(**named: Any) -> "Connection":  # noqa: ANN401 - as PyMySQL has it
    """Open a connection, or fail at once where the server is known to be silent.

    Raises:
        OperationalError: it cannot be had.
    """
    server = silence.server(named.get("host"), named.get("port"))
    if server.is_silent:
        raise OperationalError(CR.CR_CONN_HOST_ERROR, "the server is silent")
    asking = _with_less_patience(named)
    fell_silent = partial(server.fell_silent, partial(_is_silent, asking))
    try:
        made = Connection(**{**named, "read_timeout": PATIENCE_SECONDS})
    except OperationalError as error:
        if _is_timeout(error):
            fell_silent()
        raise
    with made.cursor() as cursor:
        cursor.execute(_HOST)
        [host] = cursor.fetchone() or ("",)
    end = _End(made.thread_id(), str(host), monotonic())  # type: ignore[no-untyped-call]
    made.end, made.asking = end, asking
    made.on_silence = partial(fell_silent, partial(_let_go, asking, end))
    made.is_open = True
    return made


@dataclass(frozen=True, slots=True)
class _End:
    """The server's end of a connection: its number there, the host's name, since when it is open.

    Behind a balancer another host may answer, and after a restart numbers come again.
    """

    number: int
    host: str
    since: float


if TYPE_CHECKING:
    _Plain = pymysql.connections.Connection[Cursor]
else:
    _Plain = pymysql.connections.Connection


class Connection(_Plain):
    """A connection whose waits end when the server is silent, or no longer works for it."""

    is_open = False
    """Whether it has been opened: until then nobody is asked."""

    is_patient = False
    """Whether an answer may take as long as it needs."""

    asking: dict[str, Any]
    """How a connection is opened that asks."""

    on_silence: Callable[[], None]
    """What is called when the server turns out to be silent."""

    end: _End
    """What the server knows of it."""

    _file: io.BufferedReader | None = None
    _sock: socket.socket

    @property
    def _rfile(self) -> io.BufferedReader | None:
        """What PyMySQL reads from."""
        return self._file

    @_rfile.setter
    def _rfile(self, made: io.BufferedReader | None) -> None:
        """Read in our own way from the socket that PyMySQL has made this file of."""
        if made is not None:
            # A socket is not closed before the files are that were made of it.
            made.close()
            if self._sock.family in {socket.AF_INET, socket.AF_INET6}:
                unacknowledged = UNACKNOWLEDGED_SECONDS * 1000
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unacknowledged)
            self._file = io.BufferedReader(_Answers(self._sock, self.go_on))
        else:
            self._file = None

    def go_on(self, waited: float, is_doubted: bool) -> bool:
        """Let somebody go on who has waited for `waited` seconds; False where nobody works for him.

        `is_doubted`: that was so when he was here last. Then the answer may have been on its way.

        Raises:
            TimeoutError: nothing will come.
        """
        if not self.is_open:
            if waited < (self.connect_timeout or LONGEST_SECONDS):
                return True
            raise TimeoutError("timed out")
        is_served = self._ask(is_last=is_doubted)
        if is_doubted and not is_served:
            raise TimeoutError("the server does not work for this connection any more")
        if waited > LONGEST_SECONDS and not self.is_patient:
            raise TimeoutError("timed out")
        return is_served

    def _ask(self, *, is_last: bool) -> bool:
        """Return whether the server works for us, or cannot tell.

        Where it `is_last`, one that does not lets go of what it keeps for us.

        Raises:
            TimeoutError: the server is silent.
        """
        own = self.end
        try:
            with pymysql.connections.Connection(**self.asking) as other, other.cursor() as cursor:
                cursor.execute(_AT_WORK, (own.number, own.host))
                row = cursor.fetchone()
                is_served = row is None or bool(row[0])
                if is_last and not is_served:
                    cursor.execute(_END, (own.number,))
                return is_served
        except pymysql.err.MySQLError as error:
            if _is_of_the_server(error):
                return True
            self.on_silence()
            raise TimeoutError(f"the server is silent: {error.args[-1]}") from error


class _Answers(io.RawIOBase):
    """What comes on a socket; `go_on` is asked each time that nothing has come for a while."""

    def __init__(self, source: socket.socket, go_on: Callable[[float, bool], bool]) -> None:
        self._source = source
        self._go_on = go_on

    def readable(self) -> bool:
        """Say that it is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - as io has it
        """Wait for something and read it.

        Raises:
            OSError: nothing will come.
        """
        began, is_doubted = monotonic(), False
        while True:
            try:
                return self._source.recv_into(buffer)
            except TimeoutError:
                is_doubted = not self._go_on(monotonic() - began, is_doubted)


def _with_less_patience(named: dict[str, Any]) -> dict[str, Any]:
    less = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), ASKING_SECONDS)
    return {**named, **less, "init_command": None, "autocommit": True}


def _let_go(asking: dict[str, Any], end: _End) -> None:
    """Have the server end what it keeps for a connection that we gave up: locks, for hours."""
    try:
        with pymysql.connections.Connection(**asking) as other, other.cursor() as cursor:
            cursor.execute(_AT_WORK, (end.number, end.host))
            is_there = cursor.fetchone() is not None
            cursor.execute(_UPTIME)
            [_, uptime] = cursor.fetchone() or ("", 0)
            if is_there and int(uptime) > monotonic() - end.since - 1:
                cursor.execute(_END, (end.number,))
    except pymysql.err.MySQLError as error:
        said = str(error.args[-1])
        logger.warning("what the database keeps for a lost connection stays", extra={"error": said})


def _is_silent(asking: dict[str, Any]) -> bool:
    """Try to connect; who says no is not silent."""
    try:
        pymysql.connections.Connection(**asking).close()
    except OperationalError as error:
        return _is_timeout(error)
    return False


def _is_timeout(error: BaseException) -> bool:
    """Tell whether an error came of a wait that was given up."""
    cause = error.__cause__ or error.__context__
    return isinstance(error, TimeoutError) or (cause is not None and _is_timeout(cause))


def _is_of_the_server(error: pymysql.err.MySQLError) -> bool:
    """Tell whether the server has said no, as when it has no room for another connection."""
    number = error.args[0] if error.args else 0
    return isinstance(number, int) and not _FIRST_OF_CLIENT <= number <= _LAST_OF_CLIENT
