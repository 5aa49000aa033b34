"""A way to a server that can be cut, or fall silent: nothing ends, and nothing comes."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

BLOCK = 65_536


class Proxy:
    """Forwards connections on a port of its own to `host`:`port` while it is open."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._sockets: set[socket.socket] = set()
        self._silenced: set[socket.socket] = set()
        self._is_cut = self._is_silent = False
        self.port = 0
        self._listen()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._refuse()
        self._end_all()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """End all connections; new ones end at once until the end of the block."""
        self._is_cut = True
        self._end_all()
        try:
            yield
        finally:
            self._is_cut = False

    @contextmanager
    def away(self) -> Iterator[None]:
        """End all connections; nobody listens on the port until the end of the block."""
        self._refuse()
        self._end_all()
        try:
            yield
        finally:
            self._listen()
            self._thread.start()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Take what comes and answer nothing, on old connections and on new ones.

        Those of before and within stay silent for good, as where a firewall has forgotten them;
        what is opened after the block is forwarded.
        """
        self._is_silent = True
        self._silenced |= self._sockets
        try:
            yield
        finally:
            self._is_silent = False

    def _listen(self) -> None:
        """Listen, on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def _refuse(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                near.close()
                continue
            if self._is_silent:
                self._sockets.add(near)
                threading.Thread(target=_swallow, args=(near,), daemon=True).start()
                continue
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()  # the server itself is away
                continue
            self._sockets |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _end_all(self) -> None:
        for found in list(self._sockets):
            _end(found)
        self._sockets.clear()
        self._silenced.clear()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(BLOCK):
                if source not in self._silenced:
                    target.sendall(block)
        if source in self._silenced:
            # Whoever gave up is gone for the other side too, once it looks; nothing is told it.
            return
        _end(source)
        _end(target)


def _swallow(near: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while near.recv(BLOCK):
            pass
    _end(near)


def _end(found: socket.socket) -> None:
    with contextlib.suppress(OSError):
        found.shutdown(socket.SHUT_RDWR)
    found.close()
