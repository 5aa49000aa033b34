"""A connection as lines, with one deadline for all that is read and written until it is moved."""

import contextlib
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic

from core import targets
from core.mail_server import Server
from core.smtp.answers import LONGEST_TEXT
from core.targets import TargetError

PAUSE_SECONDS = 0.5
_MOST_REPLY = 64 * 1024
_PIECE = 64 * 1024
_LINE = re.compile(rb"([2-5][0-9]{2})([ -]?)(.*)", re.DOTALL)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
"""Controls, ends of lines, and the marks that turn the direction of text around."""


class WireError(Exception):
    """The connection is of no more use: it could not be made, was cut, or talks rubbish."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of the server (RFC 5321 §4.2): its code, and its lines without it."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the words in one line, not too long and with nothing that moves other text."""
        return _UNPRINTABLE.sub(" ", " ".join(self.lines)).strip()[:LONGEST_TEXT]

    @property
    def is_positive(self) -> bool:
        """Tell whether it says yes (2xx)."""
        return self.code // 100 == 2  # noqa: PLR2004 - the first digit of a reply


class Wire:
    """A connection to a server. `on_pause` is called about twice a second while it is silent."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._socket = connection
        self._unread = b""
        self.deadline = deadline
        self.on_pause: Callable[[], object] | None = None

    @property
    def own_address(self) -> str:
        """Return the address on our side."""
        return str(self._socket.getsockname()[0])

    def send(self, content: bytes) -> None:
        """Send all of it.

        Raises:
            WireError: it could not leave, or not in time.
        """
        with _told():
            for start in range(0, len(content), _PIECE):
                self._socket.settimeout(self._left())
                self._socket.sendall(content[start : start + _PIECE])

    def read(self) -> Reply:
        """Wait for a reply.

        Raises:
            WireError: none came in time, or none that can be read.
        """
        lines: list[str] = []
        kind, size = b"", 0
        while True:
            line = self._line()
            match = _LINE.fullmatch(line)
            if match is None or kind not in {b"", match[1][:1]}:
                # Each line of a reply has its code (RFC 5321 §4.2.1): yes and no at once is none.
                raise WireError("the server's reply cannot be read")
            kind = match[1][:1]
            size += len(line)
            if size > _MOST_REPLY:
                raise WireError("the server's reply is too long")
            lines.append(match[3].decode("utf-8", "replace").strip())
            if match[2] != b"-":
                return Reply(int(match[1]), tuple(lines))

    def has_spoken(self) -> bool:
        """Tell whether the server has said something that nobody asked for.

        Raises:
            WireError: it has hung up.
        """
        if self._unread:
            return True
        with _told():
            # Ready means bytes, but with TLS not always bytes for us.
            if not select.select([self._socket], [], [], 0)[0]:
                return False
            self._socket.settimeout(0.0)
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
                self._take(self._socket.recv(_PIECE))
        return bool(self._unread)

    def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """Go on with TLS.

        Raises:
            WireError: it fails, or the server's certificate is not for `host` or not trusted.
        """
        if self._unread:
            # What came in clear behind the reply to STARTTLS is not the server's (RFC 3207 §4.2).
            raise WireError("the server spoke in clear after it had agreed to TLS")
        with _told():
            self._socket.settimeout(self._left())
            self._socket = context.wrap_socket(self._socket, server_hostname=host)

    def close(self) -> None:
        """Close the connection without a word."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _line(self) -> bytes:
        while b"\n" not in self._unread:
            if len(self._unread) > _MOST_REPLY:
                raise WireError("the server's reply is too long")
            if not self._receive() and self.on_pause is not None:
                self.on_pause()
        line, _, self._unread = self._unread.partition(b"\n")
        return line.rstrip(b"\r")

    def _receive(self) -> bool:
        """Wait for bytes until the deadline, or for a moment; False when the moment is over."""
        with _told():
            left = self._left()
            is_pausing = self.on_pause is not None and left > PAUSE_SECONDS
            self._socket.settimeout(PAUSE_SECONDS if is_pausing else left)
            try:
                self._take(self._socket.recv(_PIECE))
            except TimeoutError:
                if not is_pausing:
                    raise
                return False
        return True

    def _take(self, piece: bytes) -> None:
        if not piece:
            raise WireError("the server hung up")
        self._unread += piece

    def _left(self) -> float:
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def connect(server: Server, deadline: float) -> Wire:
    """Connect to the server's checked addresses, one after the other.

    Raises:
        WireError: it has no address, or none that is allowed or answers.
    """
    reason = "it has no address"
    for address in _addresses(server, deadline):
        left = deadline - monotonic()
        if left <= 0:
            raise WireError("no answer in time")
        try:
            # Half of what is left, so that a silent address does not use up the others' time.
            found = socket.create_connection((address, server.target.port), timeout=left / 2)
        except OSError as error:
            reason = cause(error)
            continue
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Wire(found, deadline)
    raise WireError(reason)


def _addresses(server: Server, deadline: float) -> Sequence[str]:
    """Resolve the host in a thread, because the system's resolver has no deadline."""
    target = server.target
    if target.is_address:
        return _resolved(server)
    answers: SimpleQueue[Sequence[str] | WireError] = SimpleQueue()
    threading.Thread(target=partial(_answer, server, answers), daemon=True).start()
    try:
        found = answers.get(timeout=max(0.0, deadline - monotonic()))
    except Empty:
        raise WireError(f"{target.host} cannot be resolved: no answer in time") from None
    if isinstance(found, WireError):
        raise found
    return found


def _answer(server: Server, answers: "SimpleQueue[Sequence[str] | WireError]") -> None:
    try:
        answers.put(_resolved(server))
    except WireError as error:
        answers.put(error)


def _resolved(server: Server) -> Sequence[str]:
    try:
        return targets.resolve(server.target, allow_private=server.allow_private)
    except TargetError as error:
        raise WireError(error.detail) from None


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say in words what went wrong with a connection."""
    try:
        yield
    except OSError as error:
        raise WireError(cause(error)) from error


def cause(error: OSError) -> str:
    """Say in a few words what went wrong."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or type(error).__name__}"
    return (error.strerror or type(error).__name__).lower()
