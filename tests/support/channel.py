"""A channel that hands nothing over and answers what the test wants."""

from collections.abc import Callable, Iterable, Iterator

from core.http import Answer, Failure
from invoices.channels import Envelope, Result, Route
from invoices.channels.http import read_end
from invoices.models import Outcome

ACCEPTED = Result(outcome=Outcome.ACCEPTED, detail="accepted", http_status=202)


class FakeChannel:
    """Answers `ends` in turn, then accepts; notes what it was handed."""

    def __init__(self, *ends: Answer | Failure | Result) -> None:
        self.seen: list[Envelope] = []
        self.ends = list(ends)
        self.before_answer: Callable[[Envelope], object] = lambda _: None

    def deliver(
        self, route: Route, envelopes: Iterable[Envelope], on_pause: Callable[[], object]
    ) -> Iterator[tuple[Envelope, Result]]:
        """Answer each envelope."""
        for envelope in envelopes:
            self.seen.append(envelope)
            self.before_answer(envelope)
            end = self.ends.pop(0) if self.ends else ACCEPTED
            yield envelope, end if isinstance(end, Result) else read_end(route, end)


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Return what a provider answers; headers with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, body, 0.01)


def no_answer(*, may_have_arrived: bool) -> Failure:
    """Return a call that got no answer."""
    return Failure("no answer", may_have_arrived, 0.01)
