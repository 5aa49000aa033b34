"""A provider on HTTP for tests: keeps a ledger, has seeded faults, calls back signed."""

import hashlib
import http.client
import json
import queue
import random
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from core.clock import rfc3339, utcnow
from core.webhooks import Secret, signed_headers
from tests.support.calls import post

SECRET = "whsec_" + "a2V5IG9mIHRoZSBwcm92aWRlciBpbiB0ZXN0cw=="
CALLERS = 4
KEEP_TRYING_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Chances per request, decided by `seed`, the invoice's number and the count of its tries.

    `busy`: 503 with Retry-After 1. `slow`: answers after half a second to a second. `silent`:
    accepts and never answers. `reset`: cuts the connection before it accepts.
    """

    seed: int = 1
    busy: float = 0.0
    slow: float = 0.0
    silent: float = 0.0
    reset: float = 0.0

    def choose(self, number: str, count: int) -> str:
        """Return the name of the fault of this request, `none` mostly."""
        dice = random.Random(f"{self.seed}/{number}/{count}").random()
        for name in ("busy", "slow", "silent", "reset"):
            dice -= getattr(self, name)
            if dice < 0:
                return name
        return "none"


@dataclass(frozen=True, slots=True)
class Request:
    """One hand-over as it came, and what was done with it."""

    key: str
    attempt: int
    number: str
    recipient: str | None
    media_type: str
    sha256: str
    fault: str
    is_accepted: bool
    came_at: float


class Provider:
    """Takes invoices on a free port.

    `honours_key`: a key that was accepted before is answered, not accepted again. `says`: the
    statuses it calls back with for each acceptance; `says_early`: before it answers. `seconds`:
    how long an ordinary answer takes; `drips`: and then one byte a second. Its reference is its
    code and the invoice's number.
    """

    def __init__(
        self,
        code: str,
        *,
        honours_key: bool = True,
        faults: Faults | None = None,
        says: tuple[str, ...] = (),
        says_early: bool = False,
        seconds: float = 0.0,
        drips: bool = False,
    ) -> None:
        self.code = code
        self.honours_key = honours_key
        self.faults = faults or Faults()
        self.says = says
        self.says_early = says_early
        self.seconds = seconds
        self.drips = drips
        self.callback_url = ""
        self.requests: list[Request] = []
        self.told: dict[str, str] = {}
        """Callbacks that were answered with 2xx: our event id → the id that came back."""
        self._accepted: set[str] = set()
        self._counts: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()
        self._is_closing = threading.Event()
        self._to_tell: queue.Queue[tuple[str, str, str]] = queue.Queue()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.provider = self
        self._threads = [threading.Thread(target=self._server.serve_forever, args=(0.02,))]
        self._threads += [threading.Thread(target=self._call_back) for _ in range(CALLERS)]

    @property
    def url(self) -> str:
        """Where it takes invoices."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/invoices"

    def row(self, **more: object) -> dict[str, object]:
        """Return how it is entered at Kuvert (see tests.support.furnish)."""
        return {
            "code": self.code,
            "channel": "http",
            "url": self.url,
            "is_idempotent": self.honours_key,
            "callback_secret_refs": ["env:TEST_CALLBACK_SECRET"],
            **more,
        }

    @property
    def acceptances(self) -> dict[str, list[Request]]:
        """Return the acceptances by invoice number."""
        found: dict[str, list[Request]] = defaultdict(list)
        with self._lock:
            for request in self.requests:
                if request.is_accepted:
                    found[request.number].append(request)
        return found

    def take(self, headers: Message, body: bytes) -> tuple[str, bool]:
        """Write a hand-over down; returns its fault and whether its key was accepted before."""
        key, number = headers["Idempotency-Key"], headers["Kuvert-Invoice-Number"]
        with self._lock:
            self._counts[number] += 1
            fault = self.faults.choose(number, self._counts[number])
            is_repeat = self.honours_key and key in self._accepted
            is_accepted = not is_repeat and fault not in {"busy", "reset"}
            request = Request(
                key=key,
                attempt=int(headers["Kuvert-Attempt"]),
                number=number,
                recipient=headers["Kuvert-Recipient"],
                media_type=headers["Content-Type"],
                sha256=hashlib.sha256(body).hexdigest(),
                fault=fault,
                is_accepted=is_accepted,
                came_at=time.monotonic(),
            )
            self.requests.append(request)
            if is_accepted:
                self._accepted.add(key)
        for status in self.says if is_accepted else ():
            if self.says_early:
                self.call_back(f"{key}-{status}", key, status)
            else:
                self.say(key, status)
        return fault, is_repeat

    def say(self, reference: str, status: str, event_id: str | None = None) -> None:
        """Call back later from a thread of its own, until a 2xx answers."""
        self._to_tell.put((event_id or f"{reference}-{status}", reference, status))

    def call_back(self, event_id: str, reference: str, status: str, **more: object) -> int:
        """Call back once and return the status of the answer."""
        body = {"reference": reference, "status": status, "occurred_at": rfc3339(utcnow()), **more}
        status_code, answer_id = self.send(json.dumps(body).encode(), event_id)
        if answer_id:
            self.told[event_id] = answer_id
        return status_code

    def send(self, body: bytes, event_id: str, secret: str = SECRET) -> tuple[int, str | None]:
        """Send one signed callback; returns the answer's status and, with 2xx, the id in it."""
        signed = signed_headers([Secret.parse(secret)], event_id, int(time.time()), body)
        headers = {"Content-Type": "application/json", **dict(signed)}
        reply = post(self.callback_url, body, headers, timeout=5)
        is_taken = 200 <= reply.status < 300
        return reply.status, reply.json()["id"] if is_taken else None

    def _call_back(self) -> None:
        while not self._is_closing.is_set():
            try:
                event_id, reference, status = self._to_tell.get(timeout=0.1)
            except queue.Empty:
                continue
            self.insist(event_id, reference, status)

    def insist(self, event_id: str, reference: str, status: str) -> None:
        """Call back until it is taken: providers repeat what nobody answers."""
        until = time.monotonic() + KEEP_TRYING_SECONDS
        while time.monotonic() < until and not self._is_closing.is_set():
            try:
                if self.call_back(event_id, reference, status) < 300:
                    return
            except (OSError, http.client.HTTPException):
                pass  # web was killed, or is not there again yet
            self._is_closing.wait(0.2)

    def is_quiet(self) -> bool:
        """Whether no callback waits to be sent."""
        return self._to_tell.empty()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_closing.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()


class _Server(ThreadingHTTPServer):
    provider: Provider
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: that the other side was killed is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        provider = self.server.provider
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault, is_repeat = provider.take(self.headers, body)
        if fault == "reset":
            self._cut()
        elif fault == "busy":
            self._answer(503, {"error": "busy"}, {"Retry-After": "1"})
        elif fault == "silent" and not is_repeat:
            time.sleep(4)
            self._cut()
        else:
            dice = random.Random(self.headers["Idempotency-Key"])
            time.sleep(dice.uniform(0.5, 1.0) if fault == "slow" else provider.seconds)
            number = self.headers["Kuvert-Invoice-Number"]
            self._answer(200, {"id": f"{provider.code}-{number}"}, {})

    def _answer(
        self, status: int, content: Mapping[str, object], headers: Mapping[str, str]
    ) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not self.server.provider.drips:
            self.wfile.write(body)
            return
        for byte in body:
            self.wfile.write(bytes([byte]))
            time.sleep(1)

    def _cut(self) -> None:
        """Close with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Say nothing on the terminal."""
