"""What the tests of the HTTP client share: making a call and taking its one outcome."""

from core.http import Answer, Call, Failure, HttpClient


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
