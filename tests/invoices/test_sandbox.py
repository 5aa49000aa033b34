"""The sandbox provider: every fault, against the running server."""

import hashlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.webhooks import Secret
from invoices.sandbox.instance import Callbacks, Sandbox
from tests.support.processes import wait_until
from tests.support.receiver import Receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DOCUMENT = b'{"number": "RE-1"}'
QUIET_SECONDS = 0.25  # longer than the delay of a callback here


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Caller:
    """Sends invoices over one connection, as the dispatch desk does."""

    url: str
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        address = urlsplit(self.url)
        self.connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=5
        )

    def send(
        self,
        fault: str = "deliver",
        key: str = "key-1",
        document: bytes = DOCUMENT,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        named = {
            "Idempotency-Key": key,
            "Kuvert-Invoice-Number": "RE-1",
            "Kuvert-Recipient": fault if "@" in fault else f"{fault}@sandbox.example",
            "Kuvert-Attempt": "1",
        }
        return self.request("POST /invoices", document, named | (headers or {}))

    def request(
        self, line: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        method, path = line.split()
        self.connection.request(method, path, body, headers or {})
        response = self.connection.getresponse()
        return Reply(response.status, json.loads(response.read()), dict(response.headers))

    def received(self) -> list[dict[str, Any]]:
        return list(self.request("GET /received").body)

    def close(self) -> None:
        self.connection.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as started:
        yield started


@pytest.fixture
def sandbox(receiver: Receiver) -> Iterator[Sandbox]:
    callbacks = Callbacks(
        url=receiver.url, secret=Secret.parse(SECRET), delay=0.02, retry_seconds=(0.02, 0.04)
    )
    with Sandbox("127.0.0.1", 0, callbacks=callbacks, slow_seconds=0.3) as started:
        yield started


@pytest.fixture
def caller(sandbox: Sandbox) -> Iterator[Caller]:
    with closing(Caller(sandbox.url)) as opened:
        yield opened


def assert_quiet(receiver: Receiver, count: int) -> None:
    """Assert that `count` callbacks come and no more."""
    receiver.wait_for(count)
    time.sleep(QUIET_SECONDS)
    assert len(receiver.requests) == count


def answers_to_the_newest(caller: Caller, count: int) -> list[int]:
    """Return how the receiver has answered the newest callback, once there are so many answers."""

    def answers() -> list[int]:
        called: list[dict[str, Any]] = caller.received()[0]["callbacks"]
        return called[0]["answers"] if called else []

    wait_until(lambda: len(answers()) >= count, 20, "the answers are written down")
    return answers()


def test_an_invoice_is_accepted_under_a_reference_of_its_own(caller: Caller) -> None:
    reply = caller.send()

    assert reply.status == 202
    assert reply.body["id"].startswith("sbx-")
    assert reply.body["sha256"] == hashlib.sha256(DOCUMENT).hexdigest()


def test_acceptance_is_reported_and_signed(caller: Caller, receiver: Receiver) -> None:
    accepted = caller.send(key="0199-key")

    [callback] = receiver.wait_for(1)

    said = json.loads(callback.body)
    assert callback.has_signature_of(SECRET)
    assert abs(int(callback.headers["webhook-timestamp"]) - time.time()) < 5
    assert callback.headers["content-type"] == "application/json"
    assert said.pop("occurred_at").endswith("Z")
    assert said.pop("detail")
    assert said == {"reference": "0199-key", "id": accepted.body["id"], "status": "delivered"}


def test_the_same_key_again_gets_the_same_answer_and_no_second_report(
    caller: Caller, receiver: Receiver
) -> None:
    first = caller.send()
    second = caller.send()

    assert (second.status, second.body) == (first.status, first.body)
    assert_quiet(receiver, 1)
    [entry] = caller.received()
    assert entry["attempts"] == 2


def test_the_same_key_with_another_document_is_refused(caller: Caller, receiver: Receiver) -> None:
    caller.send()
    reply = caller.send(document=b"another")

    assert reply.status == 422
    assert "another document" in reply.body["reason"]
    assert_quiet(receiver, 1)


def test_each_key_is_reported_under_its_own_webhook_id(caller: Caller, receiver: Receiver) -> None:
    for number in range(40):
        caller.send(key=f"key-{number}")

    callbacks = receiver.wait_for(40)

    assert len({callback.headers["webhook-id"] for callback in callbacks}) == 40


def test_bounce_is_reported_with_its_reason(caller: Caller, receiver: Receiver) -> None:
    assert caller.send("bounce").status == 202

    said = json.loads(receiver.wait_for(1)[0].body)

    assert (said["status"], said["detail"]) == ("bounced", "mailbox unavailable")


def test_refuse_is_never_accepted(caller: Caller, receiver: Receiver) -> None:
    replies = [caller.send("refuse") for _ in range(2)]

    assert [reply.status for reply in replies] == [422, 422]
    assert "no electronic invoices" in replies[0].body["reason"]
    assert_quiet(receiver, 0)
    assert not caller.received()[0]["accepted"]


def test_error_fails_three_times_and_then_accepts(caller: Caller, receiver: Receiver) -> None:
    statuses = [caller.send("error").status for _ in range(5)]

    assert statuses == [500, 500, 500, 202, 202]
    assert_quiet(receiver, 1)


def test_error_counts_each_key_by_itself(caller: Caller) -> None:
    for _ in range(3):
        caller.send("error", key="one")

    assert caller.send("error", key="other").status == 500


def test_busy_asks_for_patience_once(caller: Caller) -> None:
    first = caller.send("busy")
    second = caller.send("busy")

    assert (first.status, first.headers["Retry-After"]) == (429, "2")
    assert second.status == 202


def test_slow_answers_late(caller: Caller, receiver: Receiver) -> None:
    started = time.monotonic()
    reply = caller.send("slow")

    assert reply.status == 202
    assert time.monotonic() - started >= 0.3
    receiver.wait_for(1)


def test_timeout_accepts_without_an_answer_or_a_report(
    sandbox: Sandbox, caller: Caller, receiver: Receiver
) -> None:
    with closing(Caller(sandbox.url)) as patient:
        patient.connection.timeout = QUIET_SECONDS
        with pytest.raises(TimeoutError):
            patient.send("timeout", key="held")

    wait_until(caller.received, 20, "it is written down")
    assert receiver.requests == []
    [entry] = caller.received()
    assert (entry["key"], entry["accepted"]) == ("held", True)


def test_many_held_calls_starve_nobody(sandbox: Sandbox, caller: Caller) -> None:
    with ExitStack() as held:
        for number in range(100):
            waiting = held.enter_context(closing(Caller(sandbox.url)))
            recipient = {"Kuvert-Recipient": "timeout@sandbox.example"}
            headers = recipient | {"Idempotency-Key": f"held-{number}"}
            waiting.connection.request("POST", "/invoices", DOCUMENT, headers)

        assert caller.send().status == 202


def test_duplicate_is_reported_twice_under_one_id(caller: Caller, receiver: Receiver) -> None:
    caller.send("duplicate")

    one, other = receiver.wait_for(2)

    assert one.headers["webhook-id"] == other.headers["webhook-id"]
    assert one.body == other.body
    assert other.has_signature_of(SECRET)
    assert_quiet(receiver, 2)


def test_early_is_reported_before_it_is_answered(caller: Caller, receiver: Receiver) -> None:
    receiver.before_answer = lambda: time.sleep(0.1)

    reply = caller.send("early")

    assert reply.status == 202
    assert json.loads(receiver.requests[0].body)["id"] == reply.body["id"]


def test_early_waits_until_its_report_is_taken(caller: Caller, receiver: Receiver) -> None:
    receiver.answers = [503]

    caller.send("early")

    assert len(receiver.requests) == 2


def test_forged_has_a_signature_that_does_not_fit(caller: Caller, receiver: Receiver) -> None:
    caller.send("forged")

    [callback] = receiver.wait_for(1)

    assert callback.headers["webhook-signature"].startswith("v1,")
    assert not callback.has_signature_of(SECRET)


def test_unmapped_reports_a_status_nobody_knows(caller: Caller, receiver: Receiver) -> None:
    caller.send("unmapped")

    assert json.loads(receiver.wait_for(1)[0].body)["status"] == "galactic"


def test_silent_is_accepted_and_never_reported(caller: Caller, receiver: Receiver) -> None:
    assert caller.send("silent").status == 202

    assert_quiet(receiver, 0)


def test_a_report_that_is_not_taken_is_tried_again(caller: Caller, receiver: Receiver) -> None:
    receiver.answers = [500, 302]

    caller.send()

    tries = receiver.wait_for(3)
    assert len({request.headers["webhook-id"] for request in tries}) == 1
    assert all(request.has_signature_of(SECRET) for request in tries)
    assert_quiet(receiver, 3)
    assert answers_to_the_newest(caller, 3) == [500, 302, 202]


def test_a_report_is_given_up_after_some_tries(caller: Caller, receiver: Receiver) -> None:
    receiver.answers = [500] * 9

    caller.send()

    receiver.wait_for(3)
    assert_quiet(receiver, 3)


def test_a_receiver_that_hangs_delays_no_answer(caller: Caller, receiver: Receiver) -> None:
    may_answer = threading.Event()
    receiver.before_answer = lambda: may_answer.wait(60)

    statuses = [caller.send(key=f"key-{number}").status for number in range(40)]
    came = len(receiver.requests)
    may_answer.set()

    assert (statuses, came) == ([202] * 40, 0)
    receiver.wait_for(40)


def test_received_shows_the_newest_first(caller: Caller, receiver: Receiver) -> None:
    caller.send(key="old")
    caller.send("bounce", key="new")
    receiver.wait_for(2)
    answers_to_the_newest(caller, 1)

    newest, oldest = caller.received()

    assert (newest["key"], oldest["key"]) == ("new", "old")
    assert newest["recipient"] == "bounce@sandbox.example"
    assert newest["number"] == "RE-1"
    assert newest["sha256"] == hashlib.sha256(DOCUMENT).hexdigest()
    assert [(call["status"], call["answers"]) for call in newest["callbacks"]] == [
        ("bounced", [202])
    ]


def test_the_oldest_keys_are_forgotten() -> None:
    with (
        Sandbox("127.0.0.1", 0, keys_limit=3) as sandbox,
        closing(Caller(sandbox.url)) as caller,
    ):
        for number in range(5):
            caller.send(key=f"key-{number}")

        assert [entry["key"] for entry in caller.received()] == ["key-4", "key-3", "key-2"]


def test_without_a_callback_address_it_works_and_stays_silent() -> None:
    with (
        Sandbox("127.0.0.1", 0) as sandbox,
        closing(Caller(sandbox.url)) as caller,
    ):
        assert caller.send("early").status == 202
        assert caller.received()[0]["callbacks"] == []


def test_a_number_beyond_ascii_is_shown_as_it_was_sent(caller: Caller) -> None:
    caller.send(headers={"Kuvert-Invoice-Number": "Größe-1".encode().decode("latin-1")})

    assert caller.received()[0]["number"] == "Größe-1"


def test_it_is_healthy(caller: Caller) -> None:
    assert caller.request("GET /healthz").status == 200


@pytest.mark.parametrize(
    ("request_line", "body", "headers", "status"),
    [
        ("POST /invoices", DOCUMENT, {}, 400),
        ("POST /invoices", b"", {"Idempotency-Key": "k"}, 400),
        ("POST /invoices", None, {"Idempotency-Key": "k", "Content-Length": "many"}, 411),
        ("POST /invoices", None, {"Idempotency-Key": "k", "Content-Length": "-1"}, 411),
        ("POST /invoices", None, {"Transfer-Encoding": "chunked"}, 411),
        ("POST /invoices", None, {"Content-Length": "99999999999"}, 413),
        ("POST /elsewhere", DOCUMENT, {"Idempotency-Key": "k"}, 404),
        ("GET /invoices", None, {}, 404),
        ("BREW /invoices", None, {}, 501),
    ],
)
def test_what_it_cannot_use_is_answered_in_json(
    caller: Caller, request_line: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    reply = caller.request(request_line, body, headers)

    assert reply.status == status
    assert reply.body["reason"]
    assert caller.send().status == 202


def test_deliveries_share_a_connection(caller: Caller) -> None:
    caller.send(key="one")
    socket_before = caller.connection.sock
    caller.request("POST /elsewhere", DOCUMENT)
    caller.send(key="two")

    assert caller.connection.sock is socket_before
