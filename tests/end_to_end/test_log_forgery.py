"""Hostile texts through real processes: no output holds a forged line or a secret."""

import json
import re
import socket
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from urllib.parse import quote

import pytest
from celery import Celery

from tests.end_to_end.desk import OTHER_SECRET, Desk, desk
from tests.support.calls import post
from tests.support.data import shared_data
from tests.support.factories import invoice_json
from tests.support.provider import SECRET, Provider
from tests.support.rsyslog import Rsyslog, rsyslog
from tests.support.strings import formulas, naughty
from tests.support.subscriber import Subscriber

pytestmark = [pytest.mark.processes, pytest.mark.storm]

FORGED = (
    "x\n2026-01-01 00:00:00 INFO    forged.logger  FORGED",
    'x\r\n{"@timestamp": "2026-01-01T00:00:00Z", "logger_name": "forged.logger", "message": "x"}',
    "x\u2028FORGED\x85FORGED\x0bFORGED\x1b[2K\x1b]0;title\x07",
    "%s %d %(name)s {0}",
)
MAILBOX_PASSWORD = "hunter2-of-the-mailbox"
AUTH_TOKEN = "hunter2-of-the-provider"
IN_QUERY = "kv_live_0123456789ab_hunter2ofthequery"
SECRETS = (
    *("a-key-for-tests-and-nothing-else-0123", MAILBOX_PASSWORD, AUTH_TOKEN, "hunter2ofthequery"),
    *(SECRET.removeprefix("whsec_"), OTHER_SECRET.removeprefix("whsec_")),
)
CONSOLE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (DEBUG|INFO|WARNING|ERROR|CRITICAL) +(\S+)  ")


@pytest.fixture(scope="module")
def receiver() -> Iterator[Rsyslog]:
    with rsyslog() as running:
        yield running


@pytest.fixture(scope="module")
def own(receiver: Rsyslog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk whose web writes for people and whose worker for machines, all there is to say."""
    folder: Path = tmp_path_factory.mktemp("forgery")
    more = {
        "KUVERT_LOGSTASH_URL": receiver.url,
        "KUVERT_LOG_LEVEL": "DEBUG",
        "KUVERT_IMAP_URL": f"imaps://desk:{MAILBOX_PASSWORD}@127.0.0.1:1/INBOX",
        "TEST_AUTH_TOKEN": AUTH_TOKEN,
    }
    with desk("postgresql", folder, "web", **more) as running:
        running.kuvert.give(KUVERT_LOG_FORMAT="json")
        running.kuvert.start_all("worker", "beat")
        yield running


def hostile() -> list[str]:
    return [*FORGED, *naughty(), *formulas()]


def crlf_paths() -> list[str]:
    lines = (shared_data() / "hostile" / "crlf.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["path"] for line in lines]


def hand_over(own: Desk, texts: Sequence[str]) -> None:
    """Send each text in every field of an invoice; most are refused, some go out."""
    bodies = []
    for number, text in enumerate(texts):
        party = {"name": text, "id": text}
        bodies.append(invoice_json(number=f"H{number}", external_id=text, buyer_reference=text))
        bodies[-1] |= {"labels": {"note": text}, "buyer": {**party, "email": "a@example.com"}}
        bodies.append(invoice_json(number=text, currency=text, seller=party))
    for start in range(0, len(bodies), 200):
        own.api("hostile").post("/invoices/batch", bodies[start : start + 200])


def call_raw(port: int, path: bytes, text: bytes) -> None:
    """Make a request that no HTTP client would, and see that it has an answer or an end."""
    head = [
        b"GET " + path + b" HTTP/1.1",
        *(b"Host: 127.0.0.1", b"Connection: close", b"X-Request-Id: " + text),
        *(b"User-Agent: " + text, b"Authorization: Bearer " + text, b"X-" + text + b": 1"),
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"\r\n".join(head) + b"\r\n\r\n")
        while connection.recv(65_536):
            pass


def attack(own: Desk) -> None:
    texts = hostile()
    hand_over(own, texts)
    for text in texts:
        raw = text.encode("utf-8", "replace")
        query = quote(raw).encode()
        call_raw(own.kuvert.port, b"/api/v1/invoices?buyer=" + query + b"&x=" + query, raw)
    for path in crlf_paths():
        call_raw(own.kuvert.port, path.encode(), b"x")
    call_raw(own.kuvert.port, b"/api/v1/invoices?api_key=" + IN_QUERY.encode(), b"x")
    for text in texts[:50]:
        body = json.dumps({"reference": text, "status": text}).encode()
        post(f"{own.kuvert.url}/callbacks/hostile", body, {"webhook-signature": "v1,AAAA"})


def check_mailbox(own: Desk) -> None:
    with Celery("sender", broker=own.broker_url, set_as_current=False) as sender:
        sender.send_task("tasks.checkEmailInbox", exchange="kuvert", routing_key="getemail")


def test_hostile_texts_forge_no_line_and_no_output_holds_a_secret(
    own: Desk, receiver: Rsyslog
) -> None:
    web, worker = own.kuvert.children["web"], own.kuvert.children["worker"]
    with Provider("hostile") as provider, Subscriber() as subscriber:
        own.add(provider, sources={"hostile": "hostile"}, auth_ref="env:TEST_AUTH_TOKEN")
        own.subscribe("hostile", subscriber)
        attack(own)
        check_mailbox(own)
        own.expect(lambda: "tasks.checkEmailInbox" in worker.output(), 30, "the mailbox is tried")
        last = own.send("hostile")
        own.wait_for("hostile", last, "sent", 60)
        assert len(provider.requests) > 100
        secrets = (*SECRETS, own.keys["hostile"].split("_")[-1], subscriber.secret[6:])
    own.expect(lambda: last in str(receiver.events("kuvert.invoices")), 20, "the last line arrives")

    console, objects = web.output().split("\n")[:-1], worker.output().split("\n")[:-1]
    assert [line for line in console if not _is_console(line)] == []
    assert "forged.logger" not in {found[2] for line in console if (found := CONSOLE.match(line))}
    events = [*receiver.events(), *map(json.loads, objects)]
    assert receiver.unparsed() == []
    assert "forged.logger" not in {event["logger_name"] for event in events}
    assert [text for text in chain.from_iterable(map(_texts, events)) if not _is_plain(text)] == []
    parsed = (receiver.folder / "parsed").read_text()
    for secret in secrets:
        for output in (web.output(), worker.output(), parsed):
            assert secret not in output


def _is_console(line: str) -> bool:
    return _is_plain(line) and (CONSOLE.match(line) is not None or line.startswith("    "))


def _is_plain(text: str) -> bool:
    return not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text)


def _texts(value: object) -> Iterator[str]:
    """Yield every name and text of an event; a traceback line by line, which is set in."""
    if isinstance(value, dict):
        for name, one in value.items():
            is_trace = name in {"stack_trace", "stack"}
            yield name
            yield from one.split("\n    ") if is_trace else _texts(one)
    elif isinstance(value, list):
        yield from chain.from_iterable(map(_texts, value))
    elif isinstance(value, str):
        yield value
