"""Log lines of real processes, at a receiver of somebody else's."""

import re
import signal
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from celery import Celery

from core.ids import new_id
from tests.end_to_end.desk import Desk, desk, unique
from tests.support.calls import Api
from tests.support.data import ROOT
from tests.support.factories import invoice_json
from tests.support.provider import Provider
from tests.support.rsyslog import Rsyslog, rsyslog
from tests.support.subscriber import Subscriber

pytestmark = pytest.mark.processes

SMALL, LARGE = 100, 1000
NAMES = re.compile(r"`([@a-z_.]+)`")

_round = count(1)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Rsyslog]:
    with rsyslog() as running:
        yield running


@pytest.fixture(scope="module")
def own(receiver: Rsyslog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk whose web and worker send their lines to rsyslog."""
    folder: Path = tmp_path_factory.mktemp("logs")
    more = {"KUVERT_LOGSTASH_URL": receiver.url}
    with desk("postgresql", folder, "web", "worker", **more) as running:
        yield running


def documented() -> set[str]:
    """Return the names of all fields that docs/logging.md has in its tables."""
    text = (ROOT / "docs" / "logging.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in NAMES.findall(row)}


def make_requests(own: Desk, number: int) -> list[str]:
    """Make requests, each with an id of its own, and return the ids."""
    api = Api(own.kuvert.url, "kv_test_none")
    ids = [f"r{next(_round)}" for _ in range(number)]
    for one in ids:
        api.post("/invoices", {}, X_Request_Id=one)
    return ids


def send_tasks(own: Desk, number: int) -> list[str]:
    """Put messages for deliveries that nobody knows into the queue, and return their ids."""
    ids = [str(new_id()) for _ in range(number)]
    with Celery("sender", broker=own.broker_url, set_as_current=False) as sender:
        for one in ids:
            sender.send_task(
                "tasks.sendInvoice",
                args=(one, [one]),
                task_id=one,
                exchange="kuvert",
                routing_key="jobs",
            )
    return ids


@pytest.mark.parametrize("number", [SMALL, pytest.param(LARGE, marks=pytest.mark.storm)])
def test_every_request_and_task_arrives_where_the_docs_say(
    own: Desk, receiver: Rsyslog, number: int
) -> None:
    requests, tasks = make_requests(own, number), send_tasks(own, number)

    def arrived(logger: str, key: str, wanted: list[str]) -> Counter[str]:
        found = Counter(event.get(key) for event in receiver.events(logger))
        return Counter({one: found[one] for one in wanted})

    def is_there() -> bool:
        return 0 not in {
            *arrived("kuvert.request", "request_id", requests).values(),
            *arrived("kuvert.task", "task_id", tasks).values(),
        }

    own.expect(is_there, 90, "all lines arrive")
    assert set(arrived("kuvert.request", "request_id", requests).values()) == {1}
    assert set(arrived("kuvert.task", "task_id", tasks).values()) == {1}
    assert receiver.unparsed() == []
    events = [*receiver.events("kuvert.request"), *receiver.events("kuvert.task")]
    assert {name for event in events for name in event} - {"host"} <= documented()
    assert all(isinstance(event["host"]["name"], str) for event in events)
    assert {type(event["duration_ms"]) for event in events} <= {float, int}
    assert {event["status"] for event in receiver.events("kuvert.request")} <= {200, 401, 503}
    assert {event["outcome"] for event in receiver.events("kuvert.task")} == {"succeeded"}


def test_an_invoice_can_be_followed_from_its_request_to_its_push(
    own: Desk, receiver: Rsyslog
) -> None:
    number = unique("LOG")
    with Provider("followed") as provider, Subscriber() as subscriber:
        own.add(provider, sources={"followed": "followed"})
        own.subscribe("followed", subscriber)
        api, request_id = own.api("followed"), f"follow-{number}"
        reply = api.post("/invoices", invoice_json(number=number), X_Request_Id=request_id)
        invoice_id, delivery_id = reply.json()["id"], reply.json()["delivery_id"]

        def lines(message: str) -> list[dict[str, object]]:
            found = receiver.events("kuvert.invoices")
            return [
                one
                for one in found
                if one["message"] == message and invoice_id in str(one["invoice_id"])
            ]

        # No beat runs here: bells ring for what is due.
        own.wait_for("followed", invoice_id, "sent")
        own.expect(lambda: any(one["is_taken"] for one in lines("events pushed")), 30, "it is told")

    moved = lines("invoices moved")
    assert moved[0]["request_id"] == request_id
    assert (moved[0]["cause"], moved[0]["delivery_id"]) == ("intake", delivery_id)
    sent = next(one for one in moved if one["invoice_status"] == "sent")
    assert delivery_id in str(sent["delivery_id"])
    pushed = lines("events pushed")[0]
    own.expect(
        lambda: (
            {sent["task_id"], pushed["task_id"]}
            <= {event["task_id"] for event in receiver.events("kuvert.task")}
        ),
        10,
        "both tasks have their lines",
    )
    assert (sent["task"], pushed["task"]) == ("tasks.sendInvoice", "tasks.createdStatus")


def test_a_receiver_that_is_killed_and_comes_back_gets_every_line(
    own: Desk, receiver: Rsyslog
) -> None:
    before = make_requests(own, 20)
    own.expect(lambda: set(before) <= _ids(receiver), 20, "the first lines arrive")

    receiver.stop(signal.SIGKILL)
    meanwhile = make_requests(own, 50)
    receiver.start()
    after = make_requests(own, 20)

    own.expect(lambda: {*meanwhile, *after} <= _ids(receiver), 40, "the others arrive")
    web = own.kuvert.children["web"]
    own.expect(lambda: "Logstash takes log lines again" in web.output(), 10, "it is said")
    assert web.output().count("Logstash takes no log lines") == 1
    assert "Traceback" not in web.output()


def _ids(receiver: Rsyslog) -> set[object]:
    return {event.get("request_id") for event in receiver.events("kuvert.request")}
