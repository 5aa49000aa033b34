"""The connection to Logstash: JSON lines over TCP, by python-logstash's handler.

That handler takes each failure for granted and loses what it held. Here failures rise, a peer that
has gone is seen before anything is written, and what it may not have got is sent again.
"""

import fcntl
import logging
import select
import socket
import struct
import termios
from collections import deque
from collections.abc import Sequence

from logstash import TCPLogstashHandler

from core.logs.forms import APPLICATION, JsonFormatter

CONNECT_SECONDS = 3.0
SEND_SECONDS = 5.0
"""How long a receiver may take nothing before it counts as away."""

_OWN_BUFFER = 256 * 1024
"""Bytes that the kernel may hold for a receiver that does not read: what a break may double."""

_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class Wire(TCPLogstashHandler):  # type: ignore[misc]  # python-logstash has no types
    """One connection at a time, used by one thread."""

    sock: socket.socket | None

    def __init__(self, host: str, port: int, form: JsonFormatter) -> None:
        super().__init__(host, port, message_type=APPLICATION, version=1)
        self.formatter = form
        self.where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.forget()

    def makePickle(self, record: logging.LogRecord) -> bytes:  # noqa: N802 - as logging has it
        """Return the line of a record, as it goes over the wire."""
        return f"{self.formatter.format(record)}\n".encode("ascii")

    def forget(self) -> None:
        """Let go of the connection, in a process that was forked: it is the parent's."""
        sock, self.sock = self.sock, None
        self._unsure: deque[bytes] = deque()
        if sock is not None:
            sock.close()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self.sock is not None

    @property
    def is_unsure(self) -> bool:
        """Whether lines are on their way of which nobody has said that they arrived."""
        return bool(self._unsure)

    def open(self, seconds: float = CONNECT_SECONDS) -> None:
        """Connect.

        Raises:
            OSError: the name has no address, or nobody answers there within `seconds` for each.
        """
        sock = socket.create_connection((self.host, self.port), timeout=seconds)
        sock.settimeout(SEND_SECONDS)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _OWN_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self.sock = sock

    def write(self, lines: Sequence[bytes]) -> None:
        """Send lines; they count as sent when the peer's kernel has them.

        Raises:
            OSError: the peer has gone, or takes nothing.
        """
        self.settle()
        self._socket.sendall(b"".join(lines))
        self._unsure.extend(lines)

    def settle(self) -> int:
        """Forget what has arrived, and return how many bytes have not.

        Raises:
            OSError: the peer has gone.
        """
        waiting = self._waiting()
        # In this order: a connection that breaks in between loses its queue, but is seen below.
        self.listen(0)
        if waiting == 0:
            self._unsure.clear()
        return waiting

    def hang_up(self) -> list[bytes]:
        """Close the connection and return the lines that may not have arrived."""
        unsure = list(self._unsure)
        self.forget()
        return unsure

    @property
    def _socket(self) -> socket.socket:
        if self.sock is None:
            raise ConnectionError("not connected")
        return self.sock

    def listen(self, seconds: float) -> bytes:
        """Return what a receiver says within `seconds`; one of log lines says nothing.

        Raises:
            OSError: the peer has gone.
        """
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        said = self._socket.recv(4096) if poll.poll(seconds * 1000) else None
        if said == b"":
            raise ConnectionResetError("the receiver has closed the connection")
        return said or b""

    @property
    def peer(self) -> str:
        """The address that was connected to."""
        host, port, *_ = self._socket.getpeername()
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _waiting(self) -> int:
        """Return how many bytes the peer has not yet taken."""
        answer = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0" * 4)
        return int(struct.unpack("i", answer)[0])
