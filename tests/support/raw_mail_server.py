"""A mail server that says what it is told to, byte for byte, or hangs up: no library would.

What it says is by the word that it hears: `GREETING` at first, then `EHLO`, `MAIL`, `RCPT`,
`DATA`, `END` after the content, and so on. `CUT` hangs up; a tuple says one after the other, a
number in it waits for so many seconds.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from time import sleep

Said = bytes | float | tuple[bytes | float, ...]

CUT = b""
USUAL: Mapping[str, Said] = {
    "GREETING": b"220 raw.test\r\n",
    "EHLO": b"250-raw.test\r\n250-8BITMIME\r\n250 SIZE 1000000\r\n",
    "DATA": b"354 go on\r\n",
    "END": b"250 2.0.0 taken\r\n",
}
OK = b"250 OK\r\n"


class RawMailServer:
    """Listens on a free port of loopback. `heard`: the words, in order; `contents`: whole mails."""

    def __init__(self, says: Mapping[str, Said]) -> None:
        self.says = {**USUAL, **says}
        self.heard: list[str] = []
        self.contents: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        """Return what KUVERT_SMTP_URL would be."""
        return f"smtp://127.0.0.1:{self._listener.getsockname()[1]}"

    def stop(self) -> None:
        """Stop it, with all its connections."""
        # A thread that waits in accept() holds on to the socket until it is shut down.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        # A test that ends takes the connection away.
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
            self._say(connection, "GREETING")
            for line in lines:
                word = line.split(maxsplit=1)[0].decode("latin-1").upper() if line.strip() else ""
                if not self._say(connection, word):
                    return
                if word == "DATA" and self._takes_content():
                    self.contents.append(_content(lines))
                    if not self._say(connection, "END"):
                        return

    def _takes_content(self) -> bool:
        said = self.says["DATA"]
        return isinstance(said, bytes) and said.startswith(b"354")

    def _say(self, connection: socket.socket, word: str) -> bool:
        """Say what belongs to a word; False when that is to hang up."""
        self.heard.append(word)
        said = self.says.get(word, OK)
        for part in said if isinstance(said, tuple) else (said,):
            if isinstance(part, float):
                sleep(part)
            elif part == CUT:
                connection.shutdown(socket.SHUT_RDWR)
                return False
            else:
                connection.sendall(part)
        return True


def _content(lines: Iterator[bytes]) -> bytes:
    """Return the lines up to the final dot; less when the connection ends."""
    taken = bytearray()
    for line in lines:
        if line == b".\r\n":
            return bytes(taken)
        taken += line
    raise ConnectionError


@contextlib.contextmanager
def raw_mail_server(says: Mapping[str, Said]) -> Iterator[RawMailServer]:
    """Yield a server that runs in threads."""
    server = RawMailServer(says)
    try:
        yield server
    finally:
        server.stop()
