"""Connections that are kept between mails, for each server and in each process.

A kept connection may have been closed by the server meanwhile. That shows at the first command
of the next mail, when nothing of it has left, and it goes over a new one.
"""

import os
import threading
from collections.abc import Callable, Sequence
from time import monotonic

from core.mail_server import Server
from core.smtp.answers import Answer, SmtpError, Stage, Verdict
from core.smtp.session import SERVICE_ENDS, Mail, Session

MOST_MAILS = 100
"""Over one connection; servers end those that go on for long."""

MOST_KEPT = 4
"""Idle connections to one server. A process that sends one mail at a time has one; where workers
are threads of one process, each may have its own."""

IDLE_SECONDS = 30.0
"""How long an idle connection is kept."""

OnPause = Callable[[], object]


def send(
    server: Server,
    content: bytes,
    sender: str,
    recipients: Sequence[str],
    on_pause: OnPause | None = None,
) -> Answer:
    """Send one mail to `recipients`, bounces to `sender`; `on_pause` is called while we wait.

    The longest it takes is the server's `timeout_seconds` up to the end of the mail, and
    `session.ANSWER_SECONDS` for the answer. Never call it in a transaction.

    Raises:
        InputError: an address that cannot be one; nothing was sent.
    """
    mail = Mail.of(content, sender, recipients)
    deadline = monotonic() + server.timeout_seconds
    try:
        session = _pool.take(server)
        if session is not None:
            try:
                return _send(session, mail, deadline, on_pause)
            except SmtpError as error:
                if not _is_stale(error.answer):
                    raise
        return _send(Session(server, deadline, on_pause), mail, deadline, on_pause)
    except SmtpError as error:
        return error.answer


def close_all() -> None:
    """Say goodbye on what is kept; a worker does so when it stops."""
    _pool.close(0.0)


def _send(session: Session, mail: Mail, deadline: float, on_pause: OnPause | None) -> Answer:
    try:
        answer = session.send(mail, deadline, on_pause)
    except SmtpError as error:
        if error.answer.code != SERVICE_ENDS and session.reset():
            _pool.keep(session)
        else:
            session.drop()
        raise
    except BaseException:
        # Told to stop in the middle of it: what comes next on this connection is anybody's guess.
        session.drop()
        raise
    _pool.keep(session)
    return answer


def _is_stale(answer: Answer) -> bool:
    """Tell whether a kept connection had ended before the mail began."""
    is_cut = answer.verdict is Verdict.TEMPORARY and answer.code in {None, SERVICE_ENDS}
    return answer.stage is Stage.SENDER and is_cut


class _Pool:
    """What is kept in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Server, list[Session]] = {}
        self._watches = False

    def take(self, server: Server) -> Session | None:
        """Take a kept connection out, the one used last; None when there is none that is good."""
        with self._lock:
            kept = self._kept.get(server)
            session = kept.pop() if kept else None
        if session is not None and _is_old(session, IDLE_SECONDS):
            session.close()
            return None
        return session

    def keep(self, session: Session) -> None:
        """Keep a connection for the next mail, unless it has done its work or enough are kept."""
        session.idle_since = monotonic()
        with self._lock:
            kept = self._kept.setdefault(session.server, [])
            is_spare = len(kept) >= MOST_KEPT or session.mails >= MOST_MAILS
            if not is_spare:
                kept.append(session)
                self._watch()
        if is_spare:
            session.close()

    def close(self, idle_seconds: float) -> bool:
        """Close what has been idle for so long; return whether anything is still kept."""
        with self._lock:
            every = [session for kept in self._kept.values() for session in kept]
            old = [session for session in every if _is_old(session, idle_seconds)]
            for session in old:
                self._kept[session.server].remove(session)
            self._kept = {server: kept for server, kept in self._kept.items() if kept}
            self._watches = bool(self._kept)
        for session in old:
            session.close()
        return self._watches

    def drop(self) -> None:
        """Let go of everything without a word."""
        for kept in self._kept.values():
            for session in kept:
                session.drop()

    def _watch(self) -> None:
        """Have idle connections closed in time, by a thread that lives as long as there are any."""
        if not self._watches:
            self._watches = True
            threading.Thread(target=self._close_idle, daemon=True, name="smtp-idle").start()

    def _close_idle(self) -> None:
        never = threading.Event()
        while True:
            never.wait(IDLE_SECONDS / 3)
            if not self.close(IDLE_SECONDS):
                return


def _is_old(session: Session, seconds: float) -> bool:
    return monotonic() - session.idle_since >= seconds


_pool = _Pool()


def _forget() -> None:
    """Begin a child without its parent's connections; closing its copies tells the server nothing.

    A new pool, because the parent's may be locked by a thread that does not exist here.
    """
    global _pool
    parents, _pool = _pool, _Pool()
    parents.drop()


os.register_at_fork(after_in_child=_forget)
