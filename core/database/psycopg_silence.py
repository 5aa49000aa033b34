"""Connections that notice when nobody answers any more.

Where a network or a host falls silent nothing ends: whoever reads would wait for hours, and a
statement that takes long looks the same. So whoever has waited a while asks, over a new
connection, whether the server is there and still at work for us.
"""

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, Final, NoReturn, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg.errors import _WaitTimeout
from psycopg.waiting import Ready

from core.database import silence
from core.database.silence import ASKING_SECONDS, PATIENCE_SECONDS

LONGEST_SECONDS: Final = 35.0
"""Longer than a statement may take: so long is waited where the server cannot tell."""

_INTERVAL: Final = 0.1
_AT_WORK: Final = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s"
_END: Final = "SELECT pg_terminate_backend(%s)"
_FULL: Final = ("too many clients", "remaining connection slots", "too many connections")

Result = TypeVar("Result")


def _is_silent(arguments: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Try to connect; who says no is not silent."""
    try:
        psycopg.connect(*arguments, **named).close()
    except psycopg.Error as error:
        return isinstance(error, psycopg.errors.ConnectionTimeout)
    return False


def connect(*arguments: Any, **named: Any) -> "Connection":  # noqa: ANN401 - as psycopg has it
    """Open a connection, or fail at once where the server is known to be silent.

    Raises:
        psycopg.OperationalError: it cannot be had.
    """
    server = silence.server(named.get("host"), named.get("port"))
    if server.is_silent:
        raise psycopg.OperationalError("the server is silent")
    fell_silent = partial(
        server.fell_silent,
        partial(_is_silent, arguments, {**named, "connect_timeout": ASKING_SECONDS}),
    )
    try:
        made = Connection.connect(*arguments, **named)
    except psycopg.errors.ConnectionTimeout:
        fell_silent()
        raise
    made.on_silence = fell_silent
    return made


class Connection(psycopg.Connection[Any]):
    """A connection whose waits end when the server is silent, or no longer works for it."""

    on_silence: Callable[[], None]
    """What is called when the server turns out to be silent."""

    def wait(
        self, gen: PQGen[Result], interval: float = _INTERVAL, timeout: float | None = None
    ) -> Result:
        """Wait for what `gen` brings.

        Raises:
            psycopg.OperationalError: nobody will answer; the connection is closed.
        """
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        began = monotonic()
        is_doubted = False
        while True:
            try:
                return super().wait(gen, interval, PATIENCE_SECONDS)
            except _WaitTimeout:
                gen = _going_on(gen)
            # At the first doubt the answer may be on its way.
            is_unknown_too_long = monotonic() - began > LONGEST_SECONDS
            is_doubted = not self._is_served(is_last=is_doubted, is_unknown=is_unknown_too_long)

    def _is_served(self, *, is_last: bool, is_unknown: bool) -> bool:
        """Ask the server whether it works for us; where it `is_last`, a no ends the connection.

        Where it `is_unknown` too, so does a server that knows nothing of us, as when it was
        started anew, or a pooler stands between us.

        Raises:
            psycopg.OperationalError: the server is silent, or the connection is ended.
        """
        own = self.pgconn.backend_pid
        try:
            with _Asking.connect(self._address(), autocommit=True) as other:
                state = _answer(other, _AT_WORK, own)
                if state or (state is None and not is_unknown):
                    return True
                if is_last and state is not None:
                    # It would keep what it has locked until it finds that nobody is here.
                    _answer(other, _END, own)
        except psycopg.Error as error:
            line = (str(error) or type(error).__name__).splitlines()[0]
            if any(words in line for words in _FULL):
                return True
            self.on_silence()
            self._close(f"the server is silent: {line}", error)
        if is_last:
            self._close("the server does not work for this connection any more", None)
        return False

    def _close(self, why: str, cause: Exception | None) -> NoReturn:
        self.pgconn.finish()
        raise psycopg.OperationalError(why) from cause

    def _address(self) -> str:
        """Return how this connection was opened, with less patience."""
        info = self.info
        return make_conninfo(info.dsn, password=info.password, connect_timeout=ASKING_SECONDS)


class _Asking(psycopg.Connection[Any]):
    """A connection for one question."""

    def wait(
        self, gen: PQGen[Result], interval: float = _INTERVAL, timeout: float | None = None
    ) -> Result:
        """Wait, but not for long."""
        return super().wait(gen, interval, ASKING_SECONDS if timeout is None else timeout)


def _answer(connection: _Asking, question: str, pid: int) -> bool | None:
    """Return what the server says; None where it has no such process."""
    row = connection.execute(question, (pid,)).fetchone()
    return None if row is None else bool(row[0])


def _going_on(gen: PQGen[Result]) -> PQGen[Result]:
    """Go on with a generator that was waited for before: it waits to be told what is ready."""
    ready: Ready | int = Ready.NONE
    try:
        while True:
            ready = yield gen.send(ready)
    except StopIteration as end:
        result: Result = end.value
        return result
