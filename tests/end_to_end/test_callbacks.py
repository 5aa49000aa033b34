"""What providers say back: once, early, late, by the wrong one, in words nobody knows."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.end_to_end.desk import OTHER_SECRET, Desk, unique
from tests.support.provider import Provider

pytestmark = pytest.mark.processes

SOURCE = "talk"


@dataclass
class Talk:
    """A source whose provider speaks when a test says so, and a second provider."""

    desk: Desk
    provider: Provider
    other: Provider

    def sent(self) -> tuple[str, str]:
        """Hand an invoice over; returns its id and its dispatch key once it is sent."""
        invoice_id = self.desk.send(SOURCE)
        self.desk.wait_for(SOURCE, invoice_id, "sent")
        [delivery] = self.desk.api(SOURCE).listed(f"/invoices/{invoice_id}/deliveries")
        return invoice_id, delivery["id"]

    def by_callback(self, invoice_id: str) -> list[dict[str, Any]]:
        """Return what callbacks have written into the history."""
        history = self.desk.api(SOURCE).history(invoice_id)
        return [event for event in history if event["cause"] == "callback"]

    def wait_for_callbacks(self, invoice_id: str, count: int) -> list[dict[str, Any]]:
        """Wait until callbacks have written so many rows and return them."""
        self.desk.expect(
            lambda: len(self.by_callback(invoice_id)) >= count, 15, f"{count} rows by callback"
        )
        return self.by_callback(invoice_id)


@pytest.fixture(scope="module")
def talk(shared: Desk) -> Iterator[Talk]:
    """The two providers and the sources of these tests."""
    with ExitStack() as stack:
        provider = stack.enter_context(Provider("talker"))
        other = stack.enter_context(Provider("other"))
        shared.add(provider, sources={SOURCE: "talker"})
        shared.add(other, callback_secret_refs=["env:TEST_OTHER_SECRET"])
        yield Talk(shared, provider, other)


def test_fifty_repeats_are_applied_once(talk: Talk) -> None:
    invoice_id, key = talk.sent()
    body = json.dumps({"reference": key, "status": "delivered"}).encode()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: talk.provider.send(body, f"{key}-50"), range(50)))

    assert Counter(status for status, _ in answers) == {202: 1, 200: 49}
    assert len({answer_id for _, answer_id in answers}) == 1
    talk.desk.wait_for(SOURCE, invoice_id, "delivered")
    assert len(talk.by_callback(invoice_id)) == 1


def test_a_late_word_is_kept_and_changes_nothing(talk: Talk) -> None:
    invoice_id, key = talk.sent()
    talk.provider.call_back(f"{key}-1", key, "delivered")
    talk.desk.wait_for(SOURCE, invoice_id, "delivered")

    talk.provider.call_back(f"{key}-2", key, "sent", detail="on its way")

    late = talk.wait_for_callbacks(invoice_id, 2)[-1]
    assert late["status"] == late["previous_status"] == "delivered"
    assert late["detail"].startswith("ignored (late")
    assert talk.desk.api(SOURCE).status_of(invoice_id) == "delivered"


def test_a_late_bounce_counts(talk: Talk) -> None:
    invoice_id, key = talk.sent()
    talk.provider.call_back(f"{key}-1", key, "delivered")
    talk.desk.wait_for(SOURCE, invoice_id, "delivered")

    talk.provider.call_back(f"{key}-2", key, "bounced", detail="no such box")

    talk.desk.wait_for(SOURCE, invoice_id, "undeliverable")


def test_a_word_before_our_own_commit_is_applied_after_it(talk: Talk) -> None:
    with Provider("hasty", says=("delivered",), says_early=True) as hasty:
        talk.desk.add(hasty, sources={f"{SOURCE}-hasty": "hasty"})
        ids = talk.desk.send_batch(f"{SOURCE}-hasty", [unique("H") for _ in range(20)])

        talk.desk.expect(
            lambda: set(talk.desk.statuses(f"{SOURCE}-hasty").values()) == {"delivered"},
            20,
            "all early callbacks are applied",
        )

    for invoice_id in ids:
        history = talk.desk.api(f"{SOURCE}-hasty").history(invoice_id)
        assert [event["status"] for event in history] == ["ready", "sending", "sent", "delivered"]


def test_an_orphan_waits_for_its_invoice(talk: Talk) -> None:
    number = unique("O")
    assert talk.provider.call_back(f"{number}-1", f"talker-{number}", "delivered") == 202

    invoice_id = talk.desk.send(SOURCE, number)

    talk.desk.wait_for(SOURCE, invoice_id, "delivered", seconds=30)


def test_an_unknown_word_waits_until_it_is_mapped(talk: Talk) -> None:
    invoice_id, key = talk.sent()
    assert talk.provider.call_back(f"{key}-1", key, "Archived") == 202
    talk.desk.expect(lambda: "Archived" in _waiting(talk), 15, "the word is quarantined")
    assert talk.desk.api(SOURCE).status_of(invoice_id) == "sent"

    talk.desk.kuvert.furnish(map=["talker", "archived", "delivered"])

    talk.desk.wait_for(SOURCE, invoice_id, "delivered")


def _waiting(talk: Talk) -> set[str]:
    with talk.desk.kuvert.database.single() as connection:
        rows = connection.exec_driver_sql(
            "SELECT provider_status FROM callbacks WHERE state = 'unmapped'"
        )
        return {row.provider_status for row in rows}


def test_no_provider_speaks_for_another(talk: Talk) -> None:
    invoice_id, key = talk.sent()
    body = json.dumps({"reference": key, "status": "bounced"}).encode()

    assert talk.provider.send(body, f"{key}-forged", OTHER_SECRET)[0] == 401
    assert talk.other.send(body, f"{key}-theirs", OTHER_SECRET)[0] == 202
    talk.provider.call_back(f"{key}-mine", key, "delivered")
    talk.desk.wait_for(SOURCE, invoice_id, "delivered")

    assert [event["status"] for event in talk.by_callback(invoice_id)] == ["delivered"]
