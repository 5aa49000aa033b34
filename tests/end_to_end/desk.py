"""A whole installation with its outside world: providers, subscribers, billing systems."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from sqlalchemy import select

from invoices.models import Invoice, Source
from tests.support.brokers import virtual_host
from tests.support.calls import Api
from tests.support.databases import new_database
from tests.support.factories import invoice_json
from tests.support.processes import Installation, wait_until
from tests.support.provider import SECRET, Provider
from tests.support.subscriber import Subscriber

BACKENDS = ("postgresql", "mysql", "sqlite")
"""Engines; the first two with RabbitMQ, SQLite with a folder as its queue."""

FINAL = frozenset({"delivered", "undeliverable", "unknown", "failed", "cancelled", "held"})
OTHER_SECRET = "whsec_" + "a2V5IG9mIGFub3RoZXIgcHJvdmlkZXIgaW4gdGVzdHM="

INVOICES = Invoice.__table__
SOURCES = Source.__table__

_names = count(1)


@dataclass
class Desk:
    """An installation that runs, and the keys of its sources by name."""

    kuvert: Installation
    backend: str
    broker_url: str | None
    keys: dict[str, str] = field(default_factory=dict)

    def add(
        self, *providers: Provider, sources: dict[str, str] | None = None, **more: object
    ) -> None:
        """Enter providers, and sources as name → provider's code; `more` are their settings."""
        for provider in providers:
            provider.callback_url = f"{self.kuvert.url}/callbacks/{provider.code}"
        rows = [provider.row(**more) for provider in providers]
        self.keys |= self.kuvert.furnish(providers=rows, sources=sources or {})

    def api(self, source: str) -> Api:
        """Return the API with the key of a source."""
        return Api(self.kuvert.url, self.keys[source])

    def subscribe(self, source: str, subscriber: Subscriber) -> None:
        """Let a subscriber hear of a source's invoices."""
        subscriber.secret = self.api(source).subscribe(subscriber.url)

    def send(self, source: str, number: str | None = None, **changes: object) -> str:
        """Hand one invoice over as JSON and return its id."""
        body = invoice_json(number=number or unique("E"), **changes)
        reply = self.api(source).post("/invoices", body)
        assert reply.status == 202, reply.body
        return str(reply.json()["id"])

    def send_batch(self, source: str, numbers: Sequence[str]) -> list[str]:
        """Hand many over in one request and return their ids."""
        bodies = [invoice_json(number=number) for number in numbers]
        reply = self.api(source).post("/invoices/batch", bodies)
        assert reply.status == 200, reply.body
        return [str(item["id"]) for item in reply.json()["results"]]

    def statuses(self, *sources: str) -> dict[str, str]:
        """Return the status of every invoice of these sources by id, as the database has it."""
        statement = (
            select(INVOICES.c.id, INVOICES.c.status)
            .join(SOURCES, SOURCES.c.id == INVOICES.c.source_id)
            .where(SOURCES.c.name.in_(sources))
        )
        with self.kuvert.database.single() as connection:
            return {str(row.id): row.status for row in connection.execute(statement)}

    def wait_for(self, source: str, invoice_id: str, status: str, seconds: float = 20) -> None:
        """Wait until an invoice has a status."""
        api = self.api(source)
        self.expect(lambda: api.status_of(invoice_id) == status, seconds, f"{invoice_id} {status}")

    def expect(self, is_true: Callable[[], object], seconds: float, what: str) -> None:
        """Wait for something; say what the processes said when it does not happen."""
        try:
            wait_until(is_true, seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.kuvert.last_words()}") from None


def unique(prefix: str) -> str:
    """Return an invoice number that no other test uses."""
    return f"{prefix}-{next(_names):05}"


@contextmanager
def desk(backend: str, folder: Path, *names: str, **more: str) -> Iterator[Desk]:
    """Yield a desk whose processes `names` have started; `more` are settings of Kuvert."""
    with ExitStack() as stack:
        url, _ = stack.enter_context(new_database(backend, folder))
        broker_url = None if backend == "sqlite" else stack.enter_context(virtual_host())
        kuvert = stack.enter_context(installation(folder, url, broker_url, **more))
        kuvert.start_all(*names)
        yield Desk(kuvert, backend, broker_url)


def installation(
    folder: Path, database_url: str, broker_url: str | None, **more: str
) -> Installation:
    """Return an installation that knows the secrets of the tests' providers."""
    secrets = {"TEST_CALLBACK_SECRET": SECRET, "TEST_OTHER_SECRET": OTHER_SECRET}
    return Installation(folder, database_url, broker_url, **secrets, **more)


class Background:
    """A function in a thread whose error is not lost."""

    def __init__(self, work: Callable[..., object], *arguments: object) -> None:
        self._error: BaseException | None = None
        self._work, self._arguments = work, arguments
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work(*self._arguments)
        except BaseException as error:  # noqa: BLE001 - raised again where somebody waits
            self._error = error

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Wait for its end and raise what it raised."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"not done after {seconds} s"
        if self._error is not None:
            raise self._error
