"""A small receiver of webhooks that writes down what arrives."""

import base64
import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True, slots=True)
class Received:
    """One request, as it came."""

    headers: dict[str, str]
    body: bytes

    def has_signature_of(self, secret: str) -> bool:
        """Check the signature by hand, as the Standard Webhooks specification describes it."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        head = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}."
        expected = base64.b64encode(hmac.digest(key, head.encode() + self.body, "sha256")).decode()
        return f"v1,{expected}" in self.headers["webhook-signature"].split()


class Receiver:
    """Listens on a free port of this machine; answers with `answers` in turn, then 202."""

    def __init__(self, answers: tuple[int, ...] = ()) -> None:
        self.requests: list[Received] = []
        self.answers = list(answers)
        self.before_answer: Callable[[], object] = lambda: None
        self._arrived = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.receiver = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/callbacks/sandbox"

    def take(self, request: Received) -> int:
        """Write a request down and return the status to answer it with."""
        self.before_answer()
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
            return self.answers.pop(0) if self.answers else 202

    def wait_for(self, count: int, timeout_seconds: float = 20) -> list[Received]:
        """Return the requests once there are `count`; fail when they do not come."""
        with self._arrived:
            came = self._arrived.wait_for(lambda: len(self.requests) >= count, timeout_seconds)
            assert came, f"{len(self.requests)} of {count} requests came"
            return list(self.requests)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    receiver: Receiver
    daemon_threads = True
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = self.server.receiver.take(Received(headers, body))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Say nothing on the terminal."""
