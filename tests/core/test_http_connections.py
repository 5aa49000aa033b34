"""The HTTP client: which connections carry a call, and to which addresses."""

import os
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.http import Answer, Call, Failure, HttpClient, client_for_this_thread
from core.targets import Target, TargetError
from tests.core.http_calls import a_call, answer_of, failure_of, send_one
from tests.core.wire import OK, Wire, WireServer, make_certificate, serving

NOT_SENT = False


@pytest.fixture
def client() -> Iterator[HttpClient]:
    made = HttpClient(allow_private=True, timeout_seconds=5)
    yield made
    made.close()


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


def close_after_request(wire: Wire) -> None:
    wire.read()


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
            released.wait(20)
        return ("127.0.0.1",)

    client = HttpClient(allow_private=True, timeout_seconds=1.5, resolver=resolver)

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
