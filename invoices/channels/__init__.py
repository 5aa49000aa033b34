"""Delivery channels: what is handed over, how it ended, and one module per channel."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Row

from invoices.letters import Letter, Template
from invoices.models import Outcome


class Draft(Protocol):
    """What the letter of an invoice is written from."""

    @property
    def template(self) -> Template:
        """What it says, and in which language."""
        ...

    def write(self) -> Letter:
        """Write the letter.

        Raises:
            InputError: no letter can be written.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """All that a channel needs to hand one invoice over, free of the database.

    `delivery_id` is the dispatch key: the same for every attempt. `attempt` counts from 1.
    `draft` is for channels that write to people. `is_test`: the document tries the connection
    out and is no invoice.
    """

    delivery_id: UUID
    attempt_id: UUID
    attempt: int
    number: str
    recipient: str | None
    media_type: str
    body: bytes
    draft: Draft | None = None
    is_test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The provider's side of a hand-over, free of the database."""

    code: str
    channel: str
    url: str | None
    is_idempotent: bool
    auth_ref: str | None
    settings: dict[str, str]
    concurrency: int

    @classmethod
    def of(cls, provider: Row[Any]) -> "Route":
        """Copy what is needed out of a provider's row."""
        return cls(
            code=provider.code,
            channel=provider.channel,
            url=provider.url,
            is_idempotent=provider.is_idempotent,
            auth_ref=provider.auth_ref,
            settings=provider.settings,
            concurrency=provider.concurrency,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one hand-over ended.

    `is_provider_trouble` counts against the provider's breaker; `retry_after` is the provider's
    own wish; `response` its words, for people; `may_have_arrived`: the request began to leave and
    no answer says what became of it; `is_untried`: the provider was not even asked, so this says
    nothing of it.
    """

    outcome: Outcome
    detail: str
    http_status: int | None = None
    reference: str | None = None
    response: str | None = None
    retry_after: timedelta | None = None
    is_provider_trouble: bool = False
    may_have_arrived: bool = False
    is_untried: bool = False


class Channel(Protocol):
    """A way to hand invoices over."""

    def deliver(
        self, route: Route, envelopes: Iterable[Envelope], on_pause: Callable[[], object]
    ) -> Iterator[tuple[Envelope, Result]]:
        """Hand each envelope over once and yield how it ended, in any order.

        Calls `on_pause` now and then while nothing ends, so that what has ended can be recorded.
        Pulls from `envelopes` only when it can start the next one at once: what has not been
        pulled has not been sent. Raises nothing for what a single hand-over can meet.
        """
        ...
