"""The sandbox on HTTP: `POST /invoices`, `GET /received`, `GET /healthz`.

One thread per connection, from the standard library: a call that is never answered (`timeout@`)
holds its own thread and nobody else's, however many there are. A pool would run dry.
"""

import contextlib
import json
import logging
import select
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Final

from invoices.sandbox.faults import Reply
from invoices.sandbox.ledger import Submission
from invoices.sandbox.provider import Provider

DOCUMENT_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of the largest document that is accepted."""

HOLD_SECONDS: Final = 600
"""How long a call that is never answered stays open, unless its caller hangs up before."""

STOP_SECONDS: Final = 1.2
"""How long a stop waits for answers that are on their way."""

logger = logging.getLogger(__name__)


Request = socket.socket | tuple[bytes, socket.socket]
"""What socketserver calls a request; over TCP always the first."""


class UnusableRequestError(Exception):
    """A request that is answered with `reply`, after which the connection is closed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.reply = Reply(status, {"reason": reason})


class Server(ThreadingMixIn, TCPServer):
    """Listens for the provider and knows its open connections, so that it can stop at once."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, host: str, port: int, provider: Provider) -> None:
        """Bind to `host` and `port`; port 0 takes any free one.

        Raises:
            OSError: the address is in use, or is none of this machine.
        """
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.provider = provider
        self._open: set[Request] = set()
        self._closed = threading.Condition()
        super().__init__((host, port), Handler)

    @property
    def url(self) -> str:
        """Return where it listens, such as `http://127.0.0.1:8090`."""
        host, port = self.socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def start(self) -> None:
        """Serve in a thread of its own."""
        threading.Thread(
            target=self.serve_forever, args=(0.05,), name="sandbox", daemon=True
        ).start()

    def stop(self) -> None:
        """Take nothing new, finish what can be answered within about a second, and hang up."""
        self.shutdown()
        self.server_close()
        with self._closed:
            for connection in self._open:
                _end_reading(connection)
            self._closed.wait_for(lambda: not self._open, STOP_SECONDS)

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection and remember it."""
        connection, address = super().get_request()
        with self._closed:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Request) -> None:
        """Close a connection and forget it."""
        super().shutdown_request(request)
        with self._closed:
            self._open.discard(request)
            self._closed.notify_all()


def _end_reading(connection: Request) -> None:
    """Let a thread that waits for another request see the end; answers still go out."""
    if isinstance(connection, socket.socket):
        # The caller may have hung up in this very moment.
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RD)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection, one after the other."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 120
    # Head and body leave in one packet: otherwise a delayed acknowledgement costs 40 ms a call.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a GET."""
        self._serve({"/received": self._received, "/healthz": self._healthz})

    def do_POST(self) -> None:
        """Answer a POST."""
        self._serve({"/invoices": self._invoices})

    def handle(self) -> None:
        """Serve the connection until either side ends it."""
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            logger.debug("sandbox caller hung up")
        except Exception:
            logger.exception("sandbox call failed")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that http.server cannot read, in JSON like everything else."""
        self.close_connection = True
        self._send(Reply(code, {"reason": message or explain or self.responses[code][0]}))

    def version_string(self) -> str:
        """Return the value of the header `Server`."""
        return "Kuvert-Sandbox"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Keep http.server's own lines for those who look for them."""
        logger.debug("sandbox request", extra={"line": format % args})

    def _serve(self, routes: dict[str, Callable[[bytes], Reply | None]]) -> None:
        """Read the body, answer by path; leave a call without an answer where that is the fault."""
        try:
            body = self._read_body()
            reply = routes.get(self.path.partition("?")[0], self._not_found)(body)
        except UnusableRequestError as error:
            self.close_connection = True
            reply = error.reply
        if reply is None:
            self._hold()
        else:
            self._send(reply)

    def _read_body(self) -> bytes:
        """Read the whole body, so that the connection can carry the next request.

        Raises:
            UnusableRequestError: its length is not stated, or is beyond the limit.
            ConnectionAbortedError: the caller hung up in the middle.
        """
        stated = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (stated.isascii() and stated.isdigit()):
            raise UnusableRequestError(411, "state the length of the document")
        length = int(stated)
        if length > DOCUMENT_LIMIT:
            raise UnusableRequestError(413, f"at most {DOCUMENT_LIMIT} bytes are accepted")
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError("the caller hung up before the body's end")
        return body

    def _invoices(self, body: bytes) -> Reply | None:
        """Hand an invoice to the provider."""
        key = self._header("Idempotency-Key")
        if not key:
            return Reply(400, {"reason": "the header Idempotency-Key is missing"})
        if not body:
            return Reply(400, {"reason": "the request has no document"})
        return self.server.provider.receive(
            Submission(
                key=key,
                number=self._header("Kuvert-Invoice-Number"),
                recipient=self._header("Kuvert-Recipient"),
                document=body,
            )
        )

    def _received(self, _body: bytes) -> Reply:
        """Show what came in."""
        return Reply(200, self.server.provider.ledger.newest())

    def _healthz(self, _body: bytes) -> Reply:
        """Say that the process is there."""
        return Reply(200, {"status": "ok"})

    def _not_found(self, _body: bytes) -> Reply:
        """Answer any other path or method."""
        return Reply(404, {"reason": "there is POST /invoices, GET /received and GET /healthz"})

    def _header(self, name: str) -> str:
        """Return a header's value, empty when it is missing; UTF-8 where it is that."""
        value: str = self.headers.get(name, "")
        return value.strip().encode("latin-1", "replace").decode("utf-8", "replace")

    def _hold(self) -> None:
        """Keep the caller waiting until it hangs up, or the server stops; then end in silence."""
        self.close_connection = True
        poller = select.poll()
        poller.register(self.connection, select.POLLIN)
        poller.poll(HOLD_SECONDS * 1000)

    def _send(self, reply: Reply) -> None:
        """Write a reply."""
        body = json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in (("Content-Type", "application/json"), *reply.headers):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
