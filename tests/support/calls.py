"""A billing system's side of the API."""

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

TIMEOUT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return the body, read as JSON."""
        return json.loads(self.body)


def post(
    url: str, body: bytes, headers: Mapping[str, str], timeout: float = TIMEOUT_SECONDS
) -> Reply:
    """POST once, on a connection of its own.

    Raises:
        OSError, http.client.HTTPException: there was no answer.
    """
    return _call("POST", url, body, headers, timeout)


@dataclass(frozen=True)
class Api:
    """The API of an installation, with the key of one source."""

    url: str
    key: str

    def get(self, path: str) -> Reply:
        """GET a path below /api/v1, or a path with it."""
        return self._call("GET", path, None, {})

    def post(self, path: str, body: object = None, **headers: str) -> Reply:
        """POST JSON."""
        sent = b"" if body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): text for name, text in headers.items()}
        return self._call("POST", path, sent, {"Content-Type": "application/json", **given})

    def post_xml(self, body: bytes, **query: str) -> Reply:
        """POST an invoice as XML."""
        path = "/invoices" + (f"?{urlencode(query)}" if query else "")
        return self._call("POST", path, body, {"Content-Type": "application/xml"})

    def status_of(self, invoice_id: str) -> str:
        """Return where an invoice stands."""
        return str(self.get(f"/invoices/{invoice_id}").json()["status"])

    def history(self, invoice_id: str) -> list[dict[str, Any]]:
        """Return the events of an invoice, oldest first."""
        return list(self.listed(f"/invoices/{invoice_id}/history"))

    def listed(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield what is listed, page after page."""
        next_path: str | None = path + ("&" if "?" in path else "?") + "limit=200"
        while next_path:
            reply = self.get(next_path)
            assert reply.status == 200, reply.body
            yield from reply.json()["items"]
            next_path = _next_of(reply)

    def subscribe(self, url: str) -> str:
        """Subscribe to everything and return the secret."""
        reply = self.post("/subscriptions", {"url": url})
        assert reply.status == 201, reply.body
        return str(reply.json()["secret"])

    def _call(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        place = path if path.startswith("/api/") else f"/api/v1{path}"
        given = {"Authorization": f"Bearer {self.key}", **headers}
        return _call(method, self.url + place, body, given, TIMEOUT_SECONDS)


def _call(
    method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout: float
) -> Reply:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    try:
        path = quote(parts.path) + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        read = answer.read()
        given = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, given, read)
    finally:
        connection.close()


def _next_of(reply: Reply) -> str | None:
    """Return the path of the next page; None on the last."""
    link = reply.headers.get("link", "")
    if 'rel="next"' not in link:
        return None
    target = urlsplit(link.partition("<")[2].partition(">")[0])
    return f"{target.path}?{target.query}"
