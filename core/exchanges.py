"""One HTTP exchange on a curl handle: how the request is written and the answer read.

`core.transfers` drives many of them at once. Everything that curl must be told to be safe is
told here: no redirects, no proxies, http and https only, certificates always verified.
"""

import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import certifi
import pycurl

from core import targets

CONNECT_SECONDS = 5.0
LARGEST_BODY = 65_536
LARGEST_HEADERS = 65_536
_IDLE_SECONDS = 60
# After this a kept connection gives way to a new one, so that a move in the DNS is followed.
_LIFETIME_SECONDS = 300
_LONGEST_REASON = 300

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
# RFC 9110 §7.6.1 and §10.1.1: these say how the message is framed, which is curl's business.
_FRAMING = frozenset(
    [
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BLANK_LINES = frozenset({b"\r\n", b"\n"})
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
_PLAIN_REASONS = {
    pycurl.E_COULDNT_CONNECT: "no connection",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_SSL_CONNECT_ERROR: "TLS handshake failed",
    pycurl.E_PEER_FAILED_VERIFICATION: "certificate refused",
    pycurl.E_GOT_NOTHING: "closed without an answer",
    pycurl.E_RECV_ERROR: "connection lost while waiting for the answer",
    pycurl.E_SEND_ERROR: "connection lost while sending",
    pycurl.E_PARTIAL_FILE: "answer cut off",
    pycurl.E_UNSUPPORTED_PROTOCOL: "not an HTTP answer",
    pycurl.E_FTP_WEIRD_SERVER_REPLY: "not an HTTP answer",
}

_CONSTANT_OPTIONS = (
    (pycurl.POST, 1),
    (pycurl.NOSIGNAL, 1),
    (pycurl.TCP_NODELAY, 1),
    (pycurl.FOLLOWLOCATION, 0),
    (pycurl.PROXY, ""),
    (pycurl.NOPROXY, "*"),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    (pycurl.SSL_VERIFYPEER, 1),
    (pycurl.SSL_VERIFYHOST, 2),
    (pycurl.CONNECTTIMEOUT_MS, int(CONNECT_SECONDS * 1000)),
    (pycurl.MAXAGE_CONN, _IDLE_SECONDS),
    (pycurl.MAXLIFETIME_CONN, _LIFETIME_SECONDS),
    (pycurl.PATH_AS_IS, 1),
    (pycurl.USERAGENT, "Kuvert"),
)


class RequestError(Exception):
    """The request cannot be written; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Request:
    """A POST to `target`, at `addresses` only; it may take `seconds` in all."""

    target: targets.Target
    addresses: tuple[str, ...]
    headers: Sequence[tuple[str, str]]
    body: bytes
    seconds: float

    @property
    def place(self) -> tuple[str, int]:
        """Return host and port."""
        return (self.target.host, self.target.port)


class Exchange:
    """One easy handle and what its answer has brought so far; used again and again.

    With `is_kept` the connection may be an old one and is kept afterwards. Without it each
    exchange has its own: curl repeats a POST by itself when a kept connection turns out to be
    dead before the answer (`Curl_retry_request`), and the server may have read the first.
    """

    def __init__(self, *, is_kept: bool, allow_private: bool, ca_file: str | None) -> None:
        self.is_kept = is_kept
        self.is_cut = False
        self.request: Request | None = None
        self._lines: list[bytes] = []
        self._chunks: list[bytes] = []
        self._size = 0
        self.handle = handle = pycurl.Curl()
        for option, value in _CONSTANT_OPTIONS:
            handle.setopt(option, value)
        handle.setopt(pycurl.CAINFO, ca_file or certifi.where())
        handle.setopt(pycurl.FRESH_CONNECT, not is_kept)
        handle.setopt(pycurl.FORBID_REUSE, not is_kept)
        handle.setopt(pycurl.HEADERFUNCTION, self._lines.append)
        handle.setopt(pycurl.WRITEFUNCTION, self._take)
        if not allow_private:
            handle.setopt(pycurl.OPENSOCKETFUNCTION, _open_public)

    def prepare(self, request: Request, *, is_pinned: bool) -> None:
        """Make the handle ready to send, with the addresses unless the loop `is_pinned`.

        Raises:
            RequestError: a header cannot be sent as it is.
        """
        self._lines.clear()
        self._chunks.clear()
        self._size = 0
        self.is_cut = False
        self.request = request
        handle = self.handle
        handle.setopt(pycurl.HTTPHEADER, _header_lines(request.headers, is_kept=self.is_kept))
        handle.setopt(pycurl.URL, request.target.url)
        handle.setopt(pycurl.POSTFIELDS, request.body)
        handle.setopt(pycurl.TIMEOUT_MS, max(1, int(request.seconds * 1000)))
        if not is_pinned:
            handle.setopt(pycurl.RESOLVE, [_pin(request)])

    @property
    def has_begun(self) -> bool:
        """Tell whether a byte of the request can have left this machine.

        Bytes are counted as the network takes them. A TLS write that breaks off is not, though
        some of its records may have left: there the end of the handshake is what counts.
        """
        getinfo = self.handle.getinfo
        return bool(getinfo(pycurl.REQUEST_SIZE) or getinfo(pycurl.APPCONNECT_TIME_T))

    @property
    def status(self) -> int:
        """Return the status of the answer, 0 when there is none."""
        return int(self.handle.getinfo(pycurl.RESPONSE_CODE))

    def read_headers(self) -> Mapping[str, str] | None:
        """Return the final answer's headers, names in lower case, repeated ones joined.

        None when the answer broke off among them, which curl takes for their end.
        """
        found: dict[str, str] = {}
        is_inside = True
        for line in self._lines:
            if line.startswith(b"HTTP/"):  # what came before was an interim answer, RFC 9110 §15.2
                found.clear()
                is_inside = True
            elif line in _BLANK_LINES:
                is_inside = False
            elif is_inside:  # else it is a trailer
                name, _, value = line.decode("latin-1").partition(":")
                name, value = name.strip().lower(), value.strip()
                found[name] = f"{found[name]}, {value}" if name in found else value
        return None if is_inside else found

    @property
    def has_long_headers(self) -> bool:
        """Tell whether the headers are longer than anybody means them to be."""
        return bool(self.handle.getinfo(pycurl.HEADER_SIZE) > LARGEST_HEADERS)

    @property
    def body(self) -> bytes:
        """Return the first 64 kB of the answer's body."""
        return b"".join(self._chunks)[:LARGEST_BODY]

    def _take(self, chunk: bytes) -> int | None:
        """Keep a piece of the body; -1 ends the transfer."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size <= LARGEST_BODY:
            return None
        self.is_cut = True
        return -1


def plain_reason(code: int, message: str) -> str:
    """Say in words what curl's error means, with curl's own message behind it."""
    words = _PLAIN_REASONS.get(code, "transfer failed")
    return _UNPRINTABLE.sub(" ", f"{words}: {message}")[:_LONGEST_REASON]


def _open_public(_purpose: int, place: pycurl.CurlSockAddr) -> socket.socket | int:
    """Open a socket for curl, whatever it was told or found out, to public addresses only."""
    if not targets.is_public(str(place.addr[0])):
        return int(pycurl.SOCKET_BAD)
    return socket.socket(place.family, place.socktype, place.protocol)


def _pin(request: Request) -> str:
    """Write the entry of CURLOPT_RESOLVE."""
    written = ",".join(f"[{one}]" if ":" in one else one for one in request.addresses)
    return f"{request.target.host}:{request.target.port}:{written}"


def _header_lines(headers: Sequence[tuple[str, str]], *, is_kept: bool) -> list[bytes]:
    """Write the headers as curl wants them; a name alone keeps curl from adding its own."""
    lines = [_header_line(name, value) for name, value in headers]
    lines.append(b"Expect:")
    if not any(name.lower() == "content-type" for name, _ in headers):
        lines.append(b"Content-Type:")
    if not is_kept:
        # Then the server closes first and the port that it leaves waiting is not one of ours.
        lines.append(b"Connection: close")
    return lines


def _header_line(name: str, value: str) -> bytes:
    _check_header_name(name)
    if _CONTROL.search(value):
        raise RequestError(f"header {name} holds a line break or another control character")
    if not value or value.isspace():
        return f"{name};".encode("ascii")  # curl's way of writing an empty one
    try:
        return f"{name}: {value}".encode("latin-1")
    except UnicodeEncodeError:
        raise RequestError(f"header {name} holds a character outside Latin-1") from None


@lru_cache(maxsize=256)
def _check_header_name(name: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise RequestError("a header has no proper name")
    if name.lower() in _FRAMING:
        raise RequestError(f"header {name} is not for the caller to set")
