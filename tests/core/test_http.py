"""The HTTP client against real sockets: what each ending says about the request."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import KuvertError
from core.http import Answer, Call, Failure, HttpClient, client_for_this_thread
from core.targets import Target, TargetError
from tests.core.wire import OK, Behaviour, Wire, WireServer, free_port, make_certificate, serving

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


def a_call(url: str, *, is_repeatable: bool = False, **headers: str) -> Call:
    return Call("key", url, b"<Invoice/>", tuple(headers.items()), is_repeatable)


def send_one(client: HttpClient, call: Call) -> Answer | Failure:
    [(sent, outcome)] = client.send([call])
    assert sent is call
    return outcome


def failure_of(client: HttpClient, call: Call) -> Failure:
    outcome = send_one(client, call)
    assert isinstance(outcome, Failure), outcome
    return outcome


def answer_of(client: HttpClient, call: Call) -> Answer:
    outcome = send_one(client, call)
    assert isinstance(outcome, Answer), outcome
    return outcome


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


# Kept connections


def test_a_repeatable_call_uses_the_kept_connection(client: HttpClient) -> None:
    with serving(Wire.answer_all) as server:
        for _ in range(3):
            answer_of(client, a_call(server.url, is_repeatable=True))

    assert (server.connections, len(server.requests)) == (1, 3)


def test_any_other_call_has_a_connection_of_its_own(client: HttpClient) -> None:
    with serving(Wire.answer_all) as server:
        answer_of(client, a_call(server.url, is_repeatable=True))
        for _ in range(3):
            answer_of(client, a_call(server.url, is_repeatable=False))

    assert (server.connections, len(server.requests)) == (4, 4)
    assert b"Connection: close" in server.requests[-1]


@pytest.mark.parametrize("is_repeatable", [True, False])
def test_a_connection_closed_between_calls_costs_no_second_request(
    client: HttpClient, is_repeatable: bool
) -> None:
    def answer_once(wire: Wire) -> None:
        wire.read()
        wire.send(OK)

    with serving(answer_once) as server:
        for _ in range(3):
            answer_of(client, a_call(server.url, is_repeatable=is_repeatable))

    assert (server.connections, len(server.requests)) == (3, 3)


def answer_once_then_swallow(wire: Wire) -> None:
    """Answer the first request of a connection; read the second and close without a word."""
    if wire.read():
        wire.send(OK)
        wire.read()


def test_on_a_kept_connection_that_dies_the_request_arrives_twice(client: HttpClient) -> None:
    with serving(answer_once_then_swallow) as server:
        for _ in range(2):
            answer_of(client, a_call(server.url, is_repeatable=True))

    assert len(server.requests) == 3  # this is why `is_repeatable` has to be said


def test_a_call_that_is_not_repeatable_never_arrives_twice(client: HttpClient) -> None:
    with serving(answer_once_then_swallow) as server:
        answer_of(client, a_call(server.url, is_repeatable=True))
        for _ in range(5):
            answer_of(client, a_call(server.url, is_repeatable=False))
        requests = len(server.requests)
    with serving(close_after_request) as silent:
        failures = [failure_of(client, a_call(silent.url)) for _ in range(5)]

    assert requests == 6
    assert len(silent.requests) == 5
    assert all(failure.may_have_arrived for failure in failures)


# Many calls at once


def test_results_come_before_the_last_call_is_taken(client: HttpClient) -> None:
    taken: list[int] = []

    def calls(url: str) -> Iterator[Call]:
        for number in range(30):
            taken.append(number)
            time.sleep(0.005)  # a commit before each call
            yield Call(number, url, b"", (), is_repeatable=True)

    with serving(Wire.answer_all) as server:
        results = client.send(calls(server.url))
        next(results)
        taken_at_first_result = len(taken)
        rest = list(results)

    assert taken_at_first_result < 10
    assert len(rest) == 29


def test_never_more_than_so_many_calls_are_under_way() -> None:
    client = HttpClient(allow_private=True, concurrency=4)
    lock, now, most = threading.Lock(), 0, 0

    def count(wire: Wire) -> None:
        nonlocal now, most
        while wire.read():
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.01)
            with lock:
                now -= 1
            wire.send(OK)

    with serving(count) as server:
        calls = [Call(n, server.url, b"", (), is_repeatable=True) for n in range(40)]
        outcomes = list(client.send(calls))

    assert sorted(call.key for call, _ in outcomes) == list(range(40))  # type: ignore[type-var]
    assert most == 4


def test_calls_wait_side_by_side() -> None:
    client = HttpClient(allow_private=True)

    def slow(wire: Wire) -> None:
        while wire.read():
            wire.server.stopping.wait(0.2)
            wire.send(OK)

    with serving(slow) as server:
        calls = [Call(n, server.url, b"", (), is_repeatable=True) for n in range(50)]
        began = time.monotonic()
        outcomes = list(client.send(calls))

    assert len(outcomes) == 50
    assert time.monotonic() - began < 2


def test_a_dead_host_holds_up_no_other() -> None:
    client = HttpClient(allow_private=True, timeout_seconds=1)

    with serving(never_answer) as dead, serving(Wire.answer_all) as alive:
        calls = [Call("dead", dead.url, b"", (), is_repeatable=True)]
        calls += [Call("alive", alive.url, b"", (), is_repeatable=True)] * 20
        outcomes = list(client.send(calls))

    assert outcomes[-1][0].key == "dead"
    assert all(outcome.seconds < 0.5 for _, outcome in outcomes[:-1])


def test_what_is_under_way_is_yielded_before_the_iterator_s_own_error(
    client: HttpClient,
) -> None:
    def calls(url: str) -> Iterator[Call]:
        yield a_call(url)
        yield a_call(url)
        raise KuvertError("the database is away")

    outcomes: list[object] = []
    with serving(Wire.answer_all) as server:
        with pytest.raises(KuvertError, match="away"):
            outcomes.extend(type(outcome) for _, outcome in client.send(calls(server.url)))
        answer_of(client, a_call(server.url))

    assert outcomes == [Answer, Answer]
    assert len(server.requests) == 3


def test_an_iterator_closed_early_leaves_a_client_that_works(client: HttpClient) -> None:
    with serving(Wire.answer_all) as alive, serving(never_answer) as dead:
        results = client.send([a_call(alive.url), a_call(dead.url)])
        next(results)
        results.close()  # type: ignore[attr-defined]
        answer = answer_of(client, a_call(alive.url))

    assert answer.status == 202


def test_two_sends_at_once_are_refused(client: HttpClient) -> None:
    with serving(Wire.answer_all) as server:
        first = client.send([a_call(server.url), a_call(server.url)])
        next(first)
        with pytest.raises(RuntimeError, match="already sending"):
            next(client.send([a_call(server.url)]))
        list(first)


def test_no_calls_give_no_results(client: HttpClient) -> None:
    assert list(client.send([])) == []


# Names and addresses


class FakeResolver:
    """Answers from a table and counts how often it is asked."""

    def __init__(self, **table: tuple[str, ...] | TargetError) -> None:
        self.table = table
        self.asked: list[str] = []

    def __call__(self, target: Target) -> tuple[str, ...]:
        self.asked.append(target.host)
        found = self.table[target.host.partition(".")[0]]
        if isinstance(found, TargetError):
            raise found
        return found


def test_a_name_is_resolved_once_for_each_send_and_kept_as_host() -> None:
    resolver = FakeResolver(provider=("127.0.0.1",))
    client = HttpClient(allow_private=True, resolver=resolver)

    with serving(Wire.answer_all) as server:
        url = f"http://provider.example:{server.port}/"
        for _ in range(2):
            outcomes = list(client.send([a_call(url, is_repeatable=True)] * 10))
            assert all(isinstance(outcome, Answer) for _, outcome in outcomes)

    assert resolver.asked == ["provider.example"] * 2
    assert b"Host: provider.example:%d" % server.port in server.requests[0]


def test_the_connection_goes_to_the_address_that_was_checked_last() -> None:
    resolver = FakeResolver(provider=("127.0.0.1",))
    client = HttpClient(allow_private=True, resolver=resolver)

    with serving(Wire.answer_all) as server:
        call = a_call(f"http://provider.example:{server.port}/")
        answer_of(client, call)
        resolver.table["provider"] = ("127.0.0.9",)
        moved = send_one(client, call)
        resolver.table["provider"] = ("127.0.0.1",)
        answer_of(client, call)

    assert isinstance(moved, Failure)
    assert "127.0.0.9" in moved.reason or "provider.example" in moved.reason
    assert len(server.requests) == 2


def test_tls_names_and_checks_the_host_and_not_the_address(tmp_path: Path) -> None:
    tls = make_certificate(tmp_path / "cert.pem", "provider.example")
    names: list[str | None] = []

    def note_name(_sock: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        names.append(name)

    tls.sni_callback = note_name
    client = HttpClient(
        allow_private=True,
        ca_file=str(tmp_path / "cert.pem"),
        resolver=lambda _: ("127.0.0.1",),
    )

    with serving(Wire.answer_all, tls=tls) as server:
        answer = answer_of(client, a_call(f"https://provider.example:{server.port}/"))

    assert answer.status == 202
    assert names == ["provider.example"]


def test_a_refused_host_fails_its_calls_alone() -> None:
    resolver = FakeResolver(good=("127.0.0.1",), bad=TargetError("bad.example is not public"))
    client = HttpClient(allow_private=True, resolver=resolver)

    with serving(Wire.answer_all) as server:
        bad, good = (
            Call(name, f"http://{name}.example:{server.port}/", b"", (), is_repeatable=True)
            for name in ("bad", "good")
        )
        outcomes = list(client.send([bad, good, bad, good]))

    failures = [outcome for _, outcome in outcomes if isinstance(outcome, Failure)]
    assert [failure.reason for failure in failures] == ["bad.example is not public"] * 2
    assert not any(failure.may_have_arrived for failure in failures)
    assert len(server.requests) == 2


def test_a_silent_name_server_holds_up_no_other_call() -> None:
    released = threading.Event()

    def resolver(target: Target) -> tuple[str, ...]:
        if target.host == "slow.example":
            released.wait(5)
        return ("127.0.0.1",)

    client = HttpClient(allow_private=True, timeout_seconds=0.4, resolver=resolver)

    with serving(Wire.answer_all) as server:
        slow = a_call(f"http://slow.example:{server.port}/")
        outcomes = list(client.send([slow, a_call(server.url), slow]))
    released.set()

    assert isinstance(outcomes[0][1], Answer)
    assert all(isinstance(outcome, Failure) for _, outcome in outcomes[1:])
    assert not any(getattr(outcome, "may_have_arrived", True) for _, outcome in outcomes[1:])


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://2130706433:{port}/"]
)
def test_without_leave_nothing_connects_to_a_private_address(url: str) -> None:
    client = HttpClient(allow_private=False)

    with serving(Wire.answer_all) as server:
        failure = failure_of(client, a_call(url.format(port=server.port)))

    assert failure.may_have_arrived is NOT_SENT
    assert server.connections == 0


def test_a_fooled_resolver_does_not_lead_to_a_private_address() -> None:
    client = HttpClient(allow_private=False, resolver=lambda _: ("127.0.0.1",))

    with serving(Wire.answer_all) as server:
        failure = failure_of(client, a_call(f"http://provider.example:{server.port}/"))

    assert failure.may_have_arrived is NOT_SENT
    assert server.connections == 0


# Clients of threads and processes


def test_a_thread_keeps_its_client_and_shares_it_with_no_other() -> None:
    found: list[HttpClient] = []

    def look() -> None:
        found.append(client_for_this_thread(allow_private=True))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    look()
    look()

    assert found[1] is found[2]
    assert found[0] is not found[1]
    assert client_for_this_thread(allow_private=True, timeout_seconds=15) is not found[1]


def in_child(work: Callable[[], bool]) -> bool:
    """Run `work` in a forked child; tell whether it returned true."""
    process = os.fork()
    if process == 0:
        is_good = False
        try:
            is_good = work()
        finally:
            os._exit(0 if is_good else 1)
    return os.waitpid(process, 0)[1] == 0


# From Python 3.12 on a fork beside the threads of the server warns.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_never_shares_a_connection() -> None:
    def send(server: WireServer) -> bool:
        client = client_for_this_thread(allow_private=True)
        return isinstance(send_one(client, a_call(server.url, is_repeatable=True)), Answer)

    with serving(Wire.answer_all) as server:
        assert send(server)
        assert in_child(lambda: send(server))
        connections_with_child = server.connections
        assert send(server)

    assert connections_with_child == 2
    assert server.connections == 2
    assert len(server.requests) == 3
