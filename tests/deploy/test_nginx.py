"""Real requests through nginx with our site: TLS, who calls, what is too large, nobody there."""

import http.client
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlencode

import pytest

from core.app import MAX_BODY
from tests.deploy import units
from tests.end_to_end.desk import Desk, installation
from tests.support.calls import Reply
from tests.support.data import ROOT, missing
from tests.support.databases import new_database
from tests.support.factories import invoice_json
from tests.support.ports import free_port
from tests.support.processes import wait_until
from tests.support.staff import TOKEN

pytestmark = pytest.mark.processes

NAME = "invoices.example.org"
NGINX = "/usr/sbin/nginx"
FRAME = """
user root;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  include {folder}/kuvert.conf;
}}
"""
CALLER = "127.0.0.77"
PRODUCTION = {
    "KUVERT_ENVIRONMENT": "production",
    "KUVERT_ALLOW_PRIVATE_TARGETS": "off",
    "KUVERT_PUBLIC_URL": f"https://{NAME}",
    "KUVERT_PROXIES": "1",
}
FORGED = {
    "X-Forwarded-For": "203.0.113.9, 10.0.0.1",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "Forwarded": "for=203.0.113.9;host=evil.example",
    "X-Real-IP": "203.0.113.9",
}


@dataclass
class Site:
    """Kuvert behind nginx; `ports` are those of http and https."""

    desk: Desk
    ports: tuple[int, int]
    trust: ssl.SSLContext
    cookies: SimpleCookie = field(default_factory=SimpleCookie)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Reply:
        """Ask over TLS from an address that nobody else has; keeps cookies."""
        given = {"Host": NAME, **headers}
        if self.cookies:
            given["Cookie"] = "; ".join(f"{one.key}={one.value}" for one in self.cookies.values())
        with self._connected() as connection:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            for line in answer.headers.get_all("Set-Cookie") or ():
                self.cookies.load(line)
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())

    @contextmanager
    def _connected(self) -> Iterator[http.client.HTTPSConnection]:
        """Connect to where nginx listens, under the name of its certificate."""
        plain = socket.create_connection(("127.0.0.1", self.ports[1]), 30, (CALLER, 0))
        connection = http.client.HTTPSConnection(NAME)
        connection.sock = self.trust.wrap_socket(plain, server_hostname=NAME)
        try:
            yield connection
        finally:
            connection.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Kuvert in production on SQLite, and nginx before it."""
    if not Path(NGINX).exists():
        missing("nginx", "make services")
    with ExitStack() as stack:
        folder, place = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("nginx")
        url, _ = stack.enter_context(new_database("sqlite", folder))
        kuvert = stack.enter_context(installation(folder, url, None, **PRODUCTION))
        kuvert.start_all("web")
        ports = free_port(), free_port()
        _write(place, ports, kuvert.port)
        server = subprocess.Popen([NGINX, "-q", "-c", str(place / "nginx.conf")])
        stack.callback(_end, server)
        wait_until((place / "nginx.pid").exists, 20, "nginx runs")
        trust = ssl.create_default_context(cafile=str(place / "fullchain.pem"))
        desk = Desk(kuvert, "sqlite", None)
        provider = {"code": "post", "channel": "http", "url": "https://post.example/invoices"}
        desk.keys |= kuvert.furnish(providers=[provider], sources={"erp": "post"})
        yield Site(desk, ports, trust)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGTERM)
    server.wait(20)


def _write(place: Path, ports: tuple[int, int], kuvert_port: int) -> None:
    """Write our site with the ports, the folders and the certificate of the test."""
    code, said = units.run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}"),
        *("-addext", f"subjectAltName=DNS:{NAME}"),
        *("-keyout", str(place / "privkey.pem"), "-out", str(place / "fullchain.pem")),
    )
    assert code == 0, said
    site = (ROOT / "deploy/nginx/kuvert.conf").read_text()
    site = re.sub(r"\n\s*listen \[::\]:.*", "", site)
    for old, new in (
        ("/etc/ssl/kuvert", str(place)),
        ("snippets/", f"{place}/"),
        ("127.0.0.1:8000", f"127.0.0.1:{kuvert_port}"),
        ("listen 80;", f"listen 127.0.0.1:{ports[0]};"),
        ("listen 443 ", f"listen 127.0.0.1:{ports[1]} "),
    ):
        assert old in site
        site = site.replace(old, new)
    (place / "kuvert.conf").write_text(site)
    shutil.copy(ROOT / "deploy/nginx/kuvert-proxy.conf", place)
    (place / "nginx.conf").write_text(FRAME.format(folder=place))


def _headers(site: Site) -> dict[str, str]:
    key = site.desk.keys["erp"]
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


def test_an_invoice_is_taken_in_over_tls(site: Site) -> None:
    body = json.dumps(invoice_json(number="N-1")).encode()

    reply = site.ask("POST", "/api/v1/invoices", body, _headers(site))

    assert reply.status == 202, reply.body
    assert "nginx/" not in reply.headers.get("server", "")


def test_http_leads_to_https(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.ports[0], timeout=20)
    connection.request("GET", "/login?next=x", headers={"Host": NAME})
    answer = connection.getresponse()
    connection.close()

    assert answer.status == 301
    assert answer.headers["Location"] == f"https://{NAME}/login?next=x"


def test_kuvert_sees_who_calls_whatever_the_caller_says(site: Site) -> None:
    page = site.ask("GET", "/login", headers=FORGED)
    assert page.headers["strict-transport-security"]
    token = TOKEN.search(page.body.decode())
    assert token is not None, page
    form = {"email": "nobody@example.org", "password": "wrong", "csrf_token": token[1]}

    answer = site.ask(
        "POST",
        "/login",
        urlencode(form).encode(),
        {
            "Content-Type": "application/x-www-form-urlencoded",
            "Referer": f"https://{NAME}/login",
            **FORGED,
        },
    )

    assert answer.status < 500
    [said] = [line for line in _said(site) if "login refused" in line]
    assert f"address={CALLER}" in said
    assert "203.0.113.9" not in said
    assert any(key.startswith("__Host-") for key in site.cookies)
    assert all(cookie["secure"] for cookie in site.cookies.values())


def test_another_name_is_not_served(site: Site) -> None:
    reply = site.ask("GET", "/api/v1/invoices", headers={**_headers(site), "Host": "evil.example"})

    assert reply.status == 400
    assert reply.json()["type"].startswith("urn:kuvert:problem:")


@pytest.mark.parametrize("megabytes", [10.5, 12], ids=["by Kuvert", "by nginx"])
def test_a_body_that_is_too_large_is_a_problem(site: Site, megabytes: float) -> None:
    body = b" " * int(megabytes * 1024 * 1024)
    assert len(body) > MAX_BODY

    reply = site.ask("POST", "/api/v1/invoices", body, _headers(site))

    assert reply.status == 413
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"] == "urn:kuvert:problem:too-large"
    assert reply.json()["detail"] == "Limit is 10 MB"


def test_metrics_are_for_this_machine_alone(site: Site) -> None:
    assert site.ask("GET", "/metrics").status == 403


def test_nobody_there_is_a_problem_that_says_when_to_come_again(site: Site) -> None:
    web = site.desk.kuvert.children["web"]
    web.stop()
    try:
        reply = site.ask("POST", "/api/v1/invoices", b"{}", _headers(site))
    finally:
        web.start()
        wait_until(site.desk.kuvert.is_ready, 60, "web is ready")

    assert reply.status == 503
    assert reply.headers["retry-after"] == "5"
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"] == "urn:kuvert:problem:unavailable"


def _said(site: Site) -> list[str]:
    return site.desk.kuvert.children["web"].output().splitlines()
