"""Many requests over kept connections, as quickly as the server takes them."""

import re
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

CONNECTIONS = 16
MOST_BYTES = 1 << 20
_PATIENCE_SECONDS = 20.0

_HEAD = re.compile(rb"HTTP/1\.1 ([0-9]{3})[\s\S]*?\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass
class Load:
    """What a run has measured; times in seconds."""

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    codes: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Return requests per second."""
        return len(self.times) / self.seconds

    @property
    def p95(self) -> float:
        """Return the time that 95 of 100 requests did not exceed."""
        return percentile(self.times, 0.95)

    def check(self, code: int) -> "Load":
        """Return itself when every answer had this status.

        Raises:
            RuntimeError: one had another; then the figures mean nothing.
        """
        if set(self.codes) != {code}:
            raise RuntimeError(f"expected {code}, got {dict(self.codes)}")
        return self


def percentile(times: Sequence[float], part: float) -> float:
    """Return the value below which `part` of `times` lie."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def post(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Write a request."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer_end(received: bytes) -> tuple[int, int]:
    """Return where the answer in `received` ends and its status; 0 while it is not all there."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return 0, 0
    found = _HEAD.match(received, 0, head)
    if found is None:
        raise RuntimeError(f"an answer that cannot be read: {received[:200]!r}")
    end = head + 4 + int(found[2])
    return (end, int(found[1])) if len(received) >= end else (0, 0)


def run(port: int, requests: Sequence[bytes], connections: int = CONNECTIONS) -> Load:
    """Send every request, `connections` at a time, each connection one after the other."""
    driver = _Driver(port, iter(requests))
    began = time.perf_counter()
    driver.run(connections)
    driver.load.seconds = time.perf_counter() - began
    return driver.load


class _Driver:
    """The state of one run."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self.load = Load()
        self._port = port
        self._requests = requests
        self._poll = select.epoll()
        self._open: dict[int, socket.socket] = {}
        self._received: dict[int, bytes] = {}
        self._began: dict[int, float] = {}

    def run(self, connections: int) -> None:
        for _ in range(connections):
            self._connect()
        while self._open:
            ready = self._poll.poll(_PATIENCE_SECONDS)
            if not ready:
                raise RuntimeError("the server has stopped answering")
            for descriptor, _ in ready:
                self._read(descriptor)

    def _connect(self) -> None:
        connection = socket.create_connection(("127.0.0.1", self._port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open[connection.fileno()] = connection
        self._poll.register(connection.fileno(), select.EPOLLIN)
        self._send(connection)

    def _send(self, connection: socket.socket) -> None:
        request = next(self._requests, None)
        if request is None:
            self._close(connection.fileno())
            return
        self._received[connection.fileno()] = b""
        self._began[connection.fileno()] = time.perf_counter()
        connection.sendall(request)

    def _read(self, descriptor: int) -> None:
        connection = self._open[descriptor]
        chunk = connection.recv(MOST_BYTES)
        if not chunk:
            raise RuntimeError("the server has closed a connection while it was in use")
        received = self._received[descriptor] + chunk
        self._received[descriptor] = received
        end, code = answer_end(received)
        if end:
            self.load.times.append(time.perf_counter() - self._began[descriptor])
            self.load.codes[code] += 1
            self._send(connection)

    def _close(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        self._open.pop(descriptor).close()
