"""A provider for benchmarks: one cheap process that accepts every invoice.

A request to `/now` is answered at once, one to `/wait` after 50 ms. It speaks just enough
HTTP/1.1 for kept connections, so that it takes as little as possible of the machine it shares.
"""

import re
import select
import socket
import sys
import time
from collections import deque
from itertools import count

WAIT_SECONDS = 0.05
MOST_BYTES = 1 << 18

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


def request_end(received: bytes) -> int:
    """Return where the first whole request in `received` ends; 0 while it is not all there."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return 0
    length = _LENGTH.search(received, 0, head)
    end = head + 4 + (int(length[1]) if length else 0)
    return end if len(received) >= end else 0


class Provider:
    """The server's state: open connections, what they have sent, and answers that wait."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self.port: int = self.listener.getsockname()[1]
        self._poll = select.epoll()
        self._poll.register(self.listener.fileno(), select.EPOLLIN)
        self._open: dict[int, socket.socket] = {}
        self._received: dict[int, bytes] = {}
        self._waiting: deque[tuple[float, socket.socket]] = deque()
        self._numbers = count(1)

    def run(self) -> None:
        """Answer until the process is ended."""
        while True:
            for descriptor, _ in self._poll.poll(self._patience()):
                if descriptor == self.listener.fileno():
                    self._accept()
                else:
                    self._read(descriptor)
            self._answer_late_ones()

    def _patience(self) -> float | None:
        if not self._waiting:
            return None
        return max(0.0, self._waiting[0][0] - time.monotonic())

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open[connection.fileno()] = connection
        self._received[connection.fileno()] = b""
        self._poll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, descriptor: int) -> None:
        connection = self._open[descriptor]
        try:
            chunk = connection.recv(MOST_BYTES)
        except ConnectionError:
            chunk = b""
        if not chunk:
            self._forget(descriptor)
            return
        received = self._received[descriptor] + chunk
        while end := request_end(received):
            self._take(connection, received[:end])
            received = received[end:]
        self._received[descriptor] = received

    def _take(self, connection: socket.socket, request: bytes) -> None:
        if request.startswith(b"POST /wait"):
            self._waiting.append((time.monotonic() + WAIT_SECONDS, connection))
        else:
            self._answer(connection)

    def _answer_late_ones(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            self._answer(self._waiting.popleft()[1])

    def _answer(self, connection: socket.socket) -> None:
        if connection.fileno() < 0:  # the caller has gone
            return
        connection.send(
            b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
            b'Content-Length: 20\r\n\r\n{"id": "p-%08d"}' % next(self._numbers)
        )

    def _forget(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._received[descriptor]
        self._open.pop(descriptor).close()


def main() -> None:
    """Write the port on standard output, then serve."""
    provider = Provider()
    sys.stdout.write(f"{provider.port}\n")
    sys.stdout.flush()
    provider.run()


if __name__ == "__main__":
    main()
