"""Receivers of log lines on loopback, well and unwell."""

import json
import socket
import threading
from contextlib import suppress
from typing import Any, Self

from tests.support.processes import wait_until


class Receiver:
    """Takes lines over TCP as Logstash does; `is_reading` False: it accepts and never reads."""

    def __init__(self, *, port: int = 0, is_reading: bool = True, pause: float = 0) -> None:
        self.is_reading, self._pause = is_reading, pause
        self.received = b""
        self.connections: list[socket.socket] = []
        self._stopped = threading.Event()
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self._server.bind(("127.0.0.1", port))
        self._server.listen(50)
        self.port = int(self._server.getsockname()[1])
        self.url = f"tcp://127.0.0.1:{self.port}"
        self._start(self._accept)

    def _start(self, work: Any, *arguments: object) -> None:  # noqa: ANN401
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections.append(connection)
            if self.is_reading:
                self._start(self._read, connection)

    def _read(self, connection: socket.socket) -> None:
        while not self._stopped.is_set():
            try:
                data = connection.recv(1024 if self._pause else 65_536)
            except OSError:
                return
            if not data:
                return
            self.received += data
            self._stopped.wait(self._pause)

    def events(self) -> list[dict[str, Any]]:
        """Return what has come, each line read as JSON."""
        return [json.loads(line) for line in self.received.split(b"\n")[:-1]]

    def messages(self) -> list[str]:
        """Return what the lines say."""
        return [event["message"] for event in self.events()]

    def wait_for(self, *messages: str, seconds: float = 10) -> None:
        """Wait until each of these has come."""
        wanted = set(messages)
        wait_until(lambda: wanted <= set(self.messages()), seconds, f"lines {sorted(wanted)}")

    def close(self) -> None:
        """Go away, and break what is connected."""
        self._stopped.set()
        # A thread that waits in accept() holds the port until it is woken.
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self.connections:
            with suppress(OSError):  # the other side has gone before
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
