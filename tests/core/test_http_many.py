"""The HTTP client with many calls at once."""

import threading
import time
from collections.abc import Iterator

import pytest

from core.errors import KuvertError
from core.http import Answer, Call, HttpClient
from tests.core.http_calls import a_call, answer_of
from tests.core.wire import OK, Wire, serving


@pytest.fixture
def client() -> Iterator[HttpClient]:
    made = HttpClient(allow_private=True, timeout_seconds=5)
    yield made
    made.close()


def test_results_come_before_the_last_call_is_taken(client: HttpClient) -> None:
    taken: list[int] = []
    answered = threading.Event()

    def answer(wire: Wire) -> None:
        while wire.read():
            wire.send(OK)
            answered.set()

    def calls(url: str) -> Iterator[Call]:
        for number in range(30):
            taken.append(number)
            if number:  # a commit before each call; the first has its answer by then
                answered.wait(5)
            yield Call(number, url, b"", (), is_repeatable=True)

    with serving(answer) as server:
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
    together = threading.Barrier(50)

    def wait_for_all(wire: Wire) -> None:
        while wire.read():
            together.wait(20)
            wire.send(OK)

    with serving(wait_for_all) as server:
        calls = [Call(n, server.url, b"", (), is_repeatable=True) for n in range(50)]
        outcomes = [outcome for _, outcome in client.send(calls)]

    assert len(outcomes) == 50
    assert all(isinstance(outcome, Answer) for outcome in outcomes)


def never_answer(wire: Wire) -> None:
    wire.read()
    wire.server.stopping.wait(5)


def test_a_dead_host_holds_up_no_other() -> None:
    client = HttpClient(allow_private=True)
    others_are_done = threading.Event()

    def revive(wire: Wire) -> None:
        wire.read()
        others_are_done.wait(20)
        wire.send(OK)

    with serving(revive) as dead, serving(Wire.answer_all) as alive:
        calls = [Call("dead", dead.url, b"", (), is_repeatable=True)]
        calls += [Call("alive", alive.url, b"", (), is_repeatable=True)] * 20
        outcomes = client.send(calls)
        keys = [next(outcomes)[0].key for _ in range(20)]
        others_are_done.set()
        [(last, _)] = outcomes

    assert keys == ["alive"] * 20
    assert last.key == "dead"


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
