"""The HTTP client against real sockets: what is sent and what comes back."""

from collections.abc import Iterator

import pytest

from core.http import Call, HttpClient
from tests.core.http_calls import a_call, answer_of
from tests.core.wire import Wire, serving
from tests.support.ports import free_port


@pytest.fixture
def client() -> Iterator[HttpClient]:
    made = HttpClient(allow_private=True, timeout_seconds=5)
    yield made
    made.close()


# What is sent and what comes back


def test_a_call_is_a_post_with_its_headers_and_body(client: HttpClient) -> None:
    headers = (("Content-Type", "application/xml"), ("Idempotency-Key", "k-1"), ("X-Empty", ""))

    with serving(Wire.answer_all) as server:
        call = Call(1, server.url + "?a=%20b", b"<Invoice/>", headers, is_repeatable=True)
        answer = answer_of(client, call)

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /in?a=%20b HTTP/1.1"
    assert body == b"<Invoice/>"
    assert {b"Content-Type: application/xml", b"Idempotency-Key: k-1", b"X-Empty:"} <= set(lines)
    assert b"Host: 127.0.0.1:%d" % server.port in lines
    assert b"Expect" not in head
    assert (answer.status, answer.body) == (202, b"ok")
    assert answer.headers["x-one"] == "a"
    assert 0 < answer.seconds < 1


def test_an_empty_body_and_no_content_type_are_sent_as_such(client: HttpClient) -> None:
    with serving(Wire.answer_all) as server:
        answer_of(client, Call(1, server.url, b"", (), is_repeatable=True))

    assert b"Content-Length: 0" in server.requests[0]
    assert b"Content-Type" not in server.requests[0]


def test_a_large_body_waits_for_no_leave_to_be_sent(client: HttpClient) -> None:
    with serving(Wire.answer_all) as server:
        answer_of(client, Call(1, server.url, b"x" * 3_000_000, (), is_repeatable=True))

    assert len(server.requests[0]) > 3_000_000
    assert b"Expect" not in server.requests[0][:400]


def test_repeated_headers_are_joined_and_interim_answers_forgotten(client: HttpClient) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nVia: a\r\nVIA:  b\r\nContent-Length: 0\r\n\r\n"

    with serving(lambda wire: wire.answer_all(early + final)) as server:
        answer = answer_of(client, a_call(server.url))

    assert answer.status == 200
    assert answer.headers == {"via": "a, b", "content-length": "0"}


@pytest.mark.parametrize("status", [204, 302, 404, 410, 429, 500, 503])
def test_every_status_is_an_answer(client: HttpClient, status: int) -> None:
    reply = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nRetry-After: 30\r\n\r\n" % status

    with serving(lambda wire: wire.answer_all(reply)) as server:
        answer = answer_of(client, a_call(server.url))

    assert answer.status == status
    assert answer.headers["retry-after"] == "30"


def test_a_redirect_is_not_followed(client: HttpClient) -> None:
    with serving(Wire.answer_all) as other:
        reply = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n"
        reply %= other.url.encode()
        with serving(lambda wire: wire.answer_all(reply)) as server:
            answer = answer_of(client, a_call(server.url))

    assert answer.status == 302
    assert answer.headers["location"] == other.url
    assert other.connections == 0


def test_a_proxy_of_the_environment_is_passed_over(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")

    with serving(Wire.answer_all) as server:
        answer = answer_of(client, a_call(server.url))

    assert answer.status == 202


# Long answers


def test_an_endless_body_is_cut_and_still_an_answer(client: HttpClient) -> None:
    def endless(wire: Wire) -> None:
        wire.read()
        wire.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while not wire.server.stopping.is_set():
            wire.send(b"x" * 10_000)

    with serving(endless) as server:
        answer = answer_of(client, a_call(server.url))

    assert answer.status == 200
    assert answer.body == b"x" * 65_536


def test_a_body_of_10_mb_is_cut_and_still_an_answer(client: HttpClient) -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b"y" * 10_000_000

    with serving(lambda wire: wire.answer_all(reply)) as server:
        answer = answer_of(client, a_call(server.url, is_repeatable=True))
        again = answer_of(client, a_call(server.url, is_repeatable=True))

    assert (answer.status, len(answer.body)) == (200, 65_536)
    assert again.body == answer.body
    assert len(server.requests) == 2


def test_a_body_of_exactly_64_kb_is_whole(client: HttpClient) -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + b"y" * 65_536

    with serving(lambda wire: wire.answer_all(reply)) as server:
        answer = answer_of(client, a_call(server.url, is_repeatable=True))
        answer_of(client, a_call(server.url, is_repeatable=True))

    assert len(answer.body) == 65_536
    assert server.connections == 1
