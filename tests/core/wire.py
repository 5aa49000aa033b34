"""A server on loopback that behaves as badly as it is told to."""

import contextlib
import datetime
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

OK = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nX-One: a\r\n\r\nok"


class Wire:
    """One accepted connection."""

    def __init__(self, server: "WireServer", sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self._rest = b""

    def read(self) -> bytes:
        """Read one request and note it; empty when the client closed."""
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return b""
        head, _, body = self._rest.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            if not self._more():
                return b""
            body = self._rest.partition(b"\r\n\r\n")[2]
        request, self._rest = head + b"\r\n\r\n" + body[:length], body[length:]
        self.server.requests.append(request)
        return request

    def _more(self) -> bool:
        chunk = self.sock.recv(65_536)
        self._rest += chunk
        return bool(chunk)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer_all(self, data: bytes = OK) -> None:
        while self.read():
            self.send(data)

    def wait_for_data(self) -> None:
        """Wait until the request is here, and leave it unread."""
        select.select([self.sock], [], [], 5)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Behaviour = Callable[[Wire], None]


class WireServer:
    """Accepts connections and gives each to `behave` in a thread of its own."""

    def __init__(self, behave: Behaviour, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.server_names: list[str | None] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._behave = behave
        self._tls = tls
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/in"

    def stop(self) -> None:
        self.stopping.set()
        # A shutdown ends the waiting accept and recv, which a close does not.
        for sock in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(sock)
            self.connections += 1
            self._start(lambda sock=sock: self._serve(sock))  # type: ignore[misc]

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(sock.close)
            if self._tls:
                sock = stack.enter_context(self._tls.wrap_socket(sock, server_side=True))
                self._sockets.append(sock)
            self._behave(Wire(self, sock))


@contextlib.contextmanager
def serving(behave: Behaviour, *, tls: ssl.SSLContext | None = None) -> Iterator[WireServer]:
    """Run a server for the length of a `with` block."""
    server = WireServer(behave, tls=tls)
    try:
        yield server
    finally:
        server.stop()


def make_certificate(path: Path, name: str, *, days: int = 1) -> ssl.SSLContext:
    """Write a self-signed certificate for `name` to `path`; return a server's context with it.

    Negative `days` make one that has expired.
    """
    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path = path.with_suffix(".key")
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key_path)
    return context
