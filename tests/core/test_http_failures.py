"""The HTTP client against bad servers: what each ending says about the request."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.http import Answer, Call, Failure, HttpClient
from tests.core.http_calls import a_call, answer_of, failure_of, send_one
from tests.core.wire import Behaviour, Wire, make_certificate, serving
from tests.support.ports import free_port

NOT_SENT = False
PERHAPS_SENT = True


@pytest.fixture
def client() -> Iterator[HttpClient]:
    made = HttpClient(allow_private=True, timeout_seconds=5)
    yield made
    made.close()


@pytest.fixture
def hasty() -> Iterator[HttpClient]:
    made = HttpClient(allow_private=True, timeout_seconds=0.4)
    yield made
    made.close()


# Endings before the request: nothing has left


def test_a_refused_connection_has_sent_nothing(client: HttpClient) -> None:
    failure = failure_of(client, a_call(f"http://127.0.0.1:{free_port()}/"))

    assert failure.may_have_arrived is NOT_SENT
    assert failure.reason.startswith("no connection")


def test_a_black_hole_has_received_nothing(hasty: HttpClient) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        place = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(place)

        failure = failure_of(hasty, a_call(f"http://127.0.0.1:{place[1]}/"))

        for filler in fillers:
            filler.close()
    assert failure.may_have_arrived is NOT_SENT
    assert failure.reason.startswith("timeout")
    assert 0.3 < failure.seconds < 2


def test_tls_to_a_plain_port_has_sent_nothing(client: HttpClient) -> None:
    with serving(lambda wire: wire.send(b"HTTP/1.0 400 Bad\r\n\r\n")) as server:
        failure = failure_of(client, a_call(f"https://127.0.0.1:{server.port}/"))

    assert failure.may_have_arrived is NOT_SENT
    assert failure.reason.startswith("TLS handshake failed")
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "days", "is_trusted"),
    [("provider.example", 1, False), ("provider.example", -1, True), ("other.example", 1, True)],
    ids=["self-signed", "expired", "wrong name"],
)
def test_a_bad_certificate_is_refused_before_anything_is_sent(
    tmp_path: Path, name: str, days: int, is_trusted: bool
) -> None:
    tls = make_certificate(tmp_path / "cert.pem", name, days=days)
    ca_file = str(tmp_path / "cert.pem") if is_trusted else None
    client = HttpClient(allow_private=True, ca_file=ca_file, resolver=lambda _: ("127.0.0.1",))

    with serving(Wire.answer_all, tls=tls) as server:
        failure = failure_of(client, a_call(f"https://provider.example:{server.port}/"))

    assert failure.may_have_arrived is NOT_SENT
    assert failure.reason.startswith("certificate refused")
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "one\r\nX-Evil: two"),
        ("X-A", "one\ntwo"),
        ("X-A", "one\x00two"),
        ("X-A", "snow ☃"),
        ("X-A\r\nX-Evil", "one"),
        ("X A", "one"),
        ("", "one"),
        ("Content-Length", "3"),
        ("transfer-encoding", "chunked"),
        ("Host", "other.example"),
    ],
)
def test_a_header_that_cannot_be_sent_fails_its_call_alone(
    client: HttpClient, name: str, value: str
) -> None:
    with serving(Wire.answer_all) as server:
        bad = Call("bad", server.url, b"", ((name, value),), is_repeatable=True)
        good = Call("good", server.url, b"", (), is_repeatable=True)
        outcomes = {call.key: outcome for call, outcome in client.send([good, bad, good])}

    assert isinstance(outcomes["good"], Answer)
    failure = outcomes["bad"]
    assert isinstance(failure, Failure)
    assert failure.may_have_arrived is NOT_SENT
    assert "header" in failure.reason
    assert len(server.requests) == 2


def test_a_latin_1_header_is_sent_as_latin_1(client: HttpClient) -> None:
    with serving(Wire.answer_all) as server:
        answer_of(client, Call(1, server.url, b"", (("X-Name", "Müller"),), is_repeatable=True))

    assert b"X-Name: M\xfcller\r\n" in server.requests[0]


# Endings after the request began: it may have arrived


def close_unread(wire: Wire) -> None:
    wire.wait_for_data()


def reset_after_request(wire: Wire) -> None:
    wire.read()
    wire.reset()


def close_after_request(wire: Wire) -> None:
    wire.read()


def half_an_answer(wire: Wire) -> None:
    wire.read()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def half_a_header(wire: Wire) -> None:
    wire.read()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Le")


def not_http(wire: Wire) -> None:
    wire.read()
    wire.send(b"SSH-2.0-OpenSSH_9.2\r\n")


def many_headers(wire: Wire) -> None:
    wire.read()
    lines = b"".join(b"X-%d: %b\r\n" % (n, b"a" * 1000) for n in range(100))
    wire.send(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n")


def one_long_header(wire: Wire) -> None:
    wire.read()
    wire.send(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 110_000 + b"\r\nContent-Length: 0\r\n\r\n")


def bad_chunks(wire: Wire) -> None:
    wire.read()
    wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")


@pytest.mark.parametrize(
    "behave",
    [
        close_unread,
        reset_after_request,
        close_after_request,
        half_an_answer,
        half_a_header,
        not_http,
        many_headers,
        one_long_header,
        bad_chunks,
    ],
)
@pytest.mark.parametrize("is_repeatable", [True, False])
def test_a_broken_answer_may_have_arrived(
    client: HttpClient, behave: Behaviour, is_repeatable: bool
) -> None:
    with serving(behave) as server:
        failure = failure_of(client, a_call(server.url, is_repeatable=is_repeatable))

    assert failure.may_have_arrived is PERHAPS_SENT
    assert len(server.requests) <= 1


def never_answer(wire: Wire) -> None:
    wire.read()
    wire.server.stopping.wait(5)


def drip(wire: Wire) -> None:
    wire.read()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not wire.server.stopping.wait(0.05):
        wire.send(b"x")


def drip_headers(wire: Wire) -> None:
    wire.read()
    wire.send(b"HTTP/1.1 200 OK\r\n")
    while not wire.server.stopping.wait(0.05):
        wire.send(b"X-A: b\r\n")


@pytest.mark.parametrize("behave", [never_answer, drip, drip_headers])
def test_the_deadline_holds_for_the_whole_call(hasty: HttpClient, behave: Behaviour) -> None:
    with serving(behave) as server:
        failure = failure_of(hasty, a_call(server.url))

    assert failure.may_have_arrived is PERHAPS_SENT
    assert failure.reason.startswith("timeout")
    assert 0.3 < failure.seconds < 2


def test_a_body_that_is_not_read_to_its_end_may_have_arrived(hasty: HttpClient) -> None:
    def stall(wire: Wire) -> None:
        wire.sock.recv(10)
        wire.server.stopping.wait(5)

    with serving(stall) as server:
        outcome = send_one(hasty, Call(1, server.url, b"x" * 20_000_000, (), is_repeatable=False))

    assert isinstance(outcome, Failure)
    assert outcome.may_have_arrived is PERHAPS_SENT


def test_a_tls_connection_cut_after_the_handshake_may_have_arrived(tmp_path: Path) -> None:
    tls = make_certificate(tmp_path / "cert.pem", "provider.example")
    client = HttpClient(
        allow_private=True,
        timeout_seconds=5,
        ca_file=str(tmp_path / "cert.pem"),
        resolver=lambda _: ("127.0.0.1",),
    )

    with serving(reset_after_request, tls=tls) as server:
        failure = failure_of(client, a_call(f"https://provider.example:{server.port}/"))

    assert failure.may_have_arrived is PERHAPS_SENT
