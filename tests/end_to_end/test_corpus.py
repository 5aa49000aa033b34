"""Every real invoice goes the whole way, byte for byte, and everybody hears of it."""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.desk import Desk
from tests.support.calls import Reply
from tests.support.data import shared_data
from tests.support.provider import Provider
from tests.support.subscriber import Subscriber

pytestmark = pytest.mark.processes

REFUSED_SET = "not-ubl-fatturapa"
TOLD = ["invoice.ready", "invoice.sent", "invoice.delivered"]
SECONDS = 60


@dataclass
class Sent:
    """One file of the corpus that was accepted."""

    row: dict[str, str]
    body: bytes
    source: str
    id: str
    delivery_id: str


@dataclass
class Corpus:
    """What came of handing the whole corpus over."""

    desk: Desk
    provider: Provider
    subscribers: dict[str, Subscriber]
    sent: list[Sent]
    refused: dict[str, Reply]

    def shown(self, item: Sent) -> dict[str, Any]:
        """Return how the API shows an invoice."""
        answer: dict[str, Any] = self.desk.api(item.source).get(f"/invoices/{item.id}").json()
        return answer


@pytest.fixture(scope="module")
def corpus(shared: Desk) -> Iterator[Corpus]:
    """The corpus after it has been handed over and has come to rest."""
    data = shared_data()
    rows = list(_rows(data))
    spread = _spread([row for row in rows if row["set"] != REFUSED_SET])
    with ExitStack() as stack:
        provider = stack.enter_context(Provider("corpus", says=("delivered",)))
        shared.add(provider, sources=dict.fromkeys(spread, "corpus"))
        subscribers = {source: stack.enter_context(Subscriber()) for source in spread}
        for source, subscriber in subscribers.items():
            shared.subscribe(source, subscriber)
        sent = [
            _hand_over(shared, data, source, row) for source in spread for row in spread[source]
        ]
        refused = {
            row["file"]: _refused(shared, data, row) for row in rows if row["set"] == REFUSED_SET
        }
        _settle(shared, list(spread), subscribers)
        yield Corpus(shared, provider, subscribers, sent, refused)


def _rows(data: Path) -> Iterator[dict[str, str]]:
    with (data / "invoices" / "expected.csv").open(newline="") as lines:
        yield from csv.DictReader(lines)


def _spread(rows: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    """Give each file a source in which no other has its seller, number and type.

    The same number comes in several files, and within one source that is a conflict.
    """
    spread: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        mark = _mark(row)
        place = next(n for n in range(99) if mark not in map(_mark, spread[f"corpus-{n}"]))
        spread[f"corpus-{place}"].append(row)
    return {source: some for source, some in spread.items() if some}


def _mark(row: dict[str, str]) -> tuple[str, str, str]:
    return row["supplier"].casefold(), row["invoice_id"], row["type_code"]


def _hand_over(desk: Desk, data: Path, source: str, row: dict[str, str]) -> Sent:
    body = (data / row["file"]).read_bytes()
    reply = desk.api(source).post_xml(body, provider="corpus", to="buyer@corpus.example")
    assert reply.status == 202, (row["file"], reply.body)
    answer = reply.json()
    assert reply.headers["location"] == f"/api/v1/invoices/{answer['id']}"
    return Sent(row, body, source, answer["id"], answer["delivery_id"])


def _refused(desk: Desk, data: Path, row: dict[str, str]) -> Reply:
    return desk.api("corpus-0").post_xml((data / row["file"]).read_bytes(), provider="corpus")


def _settle(desk: Desk, sources: Sequence[str], subscribers: dict[str, Subscriber]) -> None:
    """Wait until all are delivered and all subscribers have heard of it."""

    def is_quiet() -> bool:
        return set(desk.statuses(*sources).values()) == {"delivered"}

    desk.expect(is_quiet, SECONDS, "every invoice of the corpus is delivered")
    for source, subscriber in subscribers.items():
        wanted = len(TOLD) * len(desk.statuses(source))
        desk.expect(
            lambda: sum(map(len, subscriber.events().values())) >= wanted,  # noqa: B023
            SECONDS,
            f"the subscriber of {source} has {wanted} events",
        )


def test_the_api_shows_each_invoice_as_it_was_written(corpus: Corpus) -> None:
    assert len(corpus.sent) >= 115

    for item in corpus.sent:
        shown, row = corpus.shown(item), item.row
        assert {
            "invoice_id": shown["number"],
            "issue_date": shown["issue_date"],
            "type_code": shown["type_code"],
            "currency": shown["currency"],
            "supplier": shown["seller"]["name"],
            "customer": shown["buyer"]["name"],
            "customization_id": shown["customization_id"] or "",
        }.items() <= row.items(), row["file"]
        assert Decimal(shown["payable_amount"]) == Decimal(row["payable_amount"]), row["file"]
        tax = shown.get("tax_amount")
        assert (Decimal(tax) if tax else None) == (
            Decimal(row["tax_total"]) if row["tax_total"] else None
        ), row["file"]


def test_other_xml_is_refused_in_a_clear_sentence(corpus: Corpus) -> None:
    assert corpus.refused

    for file, reply in corpus.refused.items():
        assert reply.status == 422, file
        assert reply.headers["content-type"] == "application/problem+json"
        problem = reply.json()
        assert problem["status"] == 422
        assert problem["request_id"] == reply.headers["x-request-id"]
        words = problem["errors"][0]["message"]
        assert "FatturaElettronica is not" in words or words.startswith("line "), words


def test_the_provider_gets_the_same_bytes_once(corpus: Corpus) -> None:
    by_key = {request.key: request for request in corpus.provider.requests}

    assert len(corpus.provider.requests) == len(by_key) == len(corpus.sent)
    for item in corpus.sent:
        request = by_key[item.delivery_id]
        assert request.sha256 == hashlib.sha256(item.body).hexdigest(), item.row["file"]
        assert request.media_type == "application/xml"
        assert request.recipient == "buyer@corpus.example"
        assert request.number == item.row["invoice_id"]


def test_the_document_comes_back_as_it_went_in(corpus: Corpus) -> None:
    for item in corpus.sent[::10]:
        reply = corpus.desk.api(item.source).get(f"/invoices/{item.id}/document")
        assert reply.body == item.body
        assert reply.headers["etag"] == f'"{hashlib.sha256(item.body).hexdigest()}"'


def test_the_subscriber_hears_each_step_in_order(corpus: Corpus) -> None:
    heard = {source: subscriber.events() for source, subscriber in corpus.subscribers.items()}

    for item in corpus.sent:
        events = heard[item.source][item.id]
        assert [event["type"] for event in events] == TOLD, item.row["file"]
        assert {event["data"]["number"] for event in events} == {item.row["invoice_id"]}
        history = corpus.desk.api(item.source).history(item.id)
        assert [event["sequence"] for event in history] == list(range(1, len(history) + 1))
        told = {event["sequence"] for event in history if event["type"] in TOLD}
        assert {event["data"]["sequence"] for event in events} == told


def test_no_process_complained(corpus: Corpus) -> None:
    for name, child in corpus.desk.kuvert.children.items():
        assert child.is_running, name
        assert "Traceback" not in child.output(), child.last_words()
