"""Somebody in front of a browser, as a benchmark needs one: a connection and a cookie."""

import http.client
import re
import time
from http.cookies import SimpleCookie
from urllib.parse import urlencode

_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_CHUNK = 1 << 20
_PATIENCE_SECONDS = 600


class Visitor:
    """Asks one server over a kept connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
        self._cookies: dict[str, str] = {}

    def close(self) -> None:
        """Leave."""
        self._connection.close()

    def log_in(self, email: str, password: str) -> None:
        """Fill in the form of `/login`.

        Raises:
            RuntimeError: it did not let us in.
        """
        found = _TOKEN.search(self._ask("GET", "/login").read().decode())
        if found is None:
            raise RuntimeError("there is no form at /login")
        fields = {"email": email, "password": password, "csrf_token": found[1]}
        answer = self._ask("POST", "/login", urlencode(fields))
        answer.read()
        if answer.status != http.client.FOUND:
            raise RuntimeError(f"/login answered {answer.status}")

    def get(self, path: str) -> float:
        """Return the milliseconds until the last byte of a page.

        Raises:
            RuntimeError: it was not answered with 200.
        """
        began = time.perf_counter()
        self.size(path)
        return (time.perf_counter() - began) * 1000

    def size(self, path: str) -> int:
        """Read a page as it comes, keeping nothing, and count its lines."""
        answer = self._ask("GET", path)
        lines = 0
        while chunk := answer.read(_CHUNK):
            lines += chunk.count(b"\n")
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path} answered {answer.status}")
        return lines

    def _ask(self, method: str, path: str, body: str | None = None) -> http.client.HTTPResponse:
        headers = {"Cookie": "; ".join(f"{name}={text}" for name, text in self._cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        except http.client.RemoteDisconnected:
            # Servers end a connection that nobody has used for a while; it is opened anew.
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie", []):
            self._cookies |= {name: item.value for name, item in SimpleCookie(line).items()}
        return answer
