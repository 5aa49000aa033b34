"""The channel `http`: the document as the body of a POST to the provider's URL."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from urllib.parse import quote

from core import pointers, retry_after, strict_json
from core.clock import utcnow
from core.errors import KuvertError
from core.http import Answer, Call, Failure, client_for_this_thread
from core.secrets import resolve
from core.settings import current
from invoices.channels import Envelope, Result, Route
from invoices.models import ChannelName, Outcome

Headers = tuple[tuple[str, str], ...]

TIMEOUT_SECONDS = 30.0
EXCERPT = 2000

REFUSED = frozenset({400, 404, 410, 413, 415, 422})
OURS = frozenset({401, 403, 407})
BUSY = frozenset({408, 425, 429})
ACCEPTED_BEFORE = 409


class HttpChannel:
    """Hands documents over to a provider's HTTP API, many at a time over kept connections."""

    def deliver(
        self, route: Route, envelopes: Iterable[Envelope], on_pause: Callable[[], object]
    ) -> Iterator[tuple[Envelope, Result]]:
        """Send each envelope once; what the answer means is CONTRACTS, "To a provider"."""
        try:
            auth = _auth_headers(route)
        except KuvertError as error:
            yield from ((envelope, _misconfigured(error.detail)) for envelope in envelopes)
            return
        client = client_for_this_thread(
            # The sandbox is our own, beside us; only a live provider must be out in the world.
            allow_private=current().allow_private_targets or route.channel == ChannelName.SANDBOX,
            timeout_seconds=_timeout(route),
            concurrency=route.concurrency,
        )
        sent: dict[Hashable, Envelope] = {}
        calls = _calls(route, envelopes, auth, sent)
        for call, end in client.send(calls, on_pause=on_pause):
            yield sent.pop(call.key), read_end(route, end)


def _calls(
    route: Route, envelopes: Iterable[Envelope], auth: Headers, sent: dict[Hashable, Envelope]
) -> Iterator[Call]:
    """Yield the request of each envelope and remember which is whose."""
    for envelope in envelopes:
        sent[envelope.delivery_id] = envelope
        yield _call(route, envelope, auth)


def _call(route: Route, envelope: Envelope, auth: Headers) -> Call:
    """Build the request of one envelope."""
    headers = [
        ("Content-Type", envelope.media_type),
        ("Idempotency-Key", str(envelope.delivery_id)),
        ("Kuvert-Invoice-Number", header_value(envelope.number)),
        ("Kuvert-Attempt", str(envelope.attempt)),
        *auth,
    ]
    if envelope.is_test:
        headers.append(("Kuvert-Test", "1"))
    if envelope.recipient:
        headers.append(("Kuvert-Recipient", envelope.recipient))
    return Call(
        key=envelope.delivery_id,
        url=route.url or "",
        body=envelope.body,
        headers=tuple(headers),
        is_repeatable=route.is_idempotent,
    )


def header_value(text: str) -> str:
    """Return `text` as it can stand in a header.

    What is not plain ASCII is written as `UTF-8''` and percent-encoded bytes (RFC 8187 §3.2).
    """
    if text.isascii() and text.isprintable():
        return text
    return f"UTF-8''{quote(text, safe='')}"


def _timeout(route: Route) -> float:
    """Return the seconds a whole call may take: the provider's own setting, at most 30."""
    return min(float(route.settings.get("timeout_seconds", TIMEOUT_SECONDS)), TIMEOUT_SECONDS)


def _auth_headers(route: Route) -> Headers:
    """Return the provider's own header: a bare token goes out as `Bearer`."""
    if not route.auth_ref:
        return ()
    value = resolve(route.auth_ref)
    header = route.settings.get("auth_header", "Authorization")
    if header == "Authorization" and " " not in value:
        value = f"Bearer {value}"
    return ((header, value),)


def read_end(route: Route, end: Answer | Failure) -> Result:
    """Say what an answer, or its absence, means for the invoice."""
    if isinstance(end, Failure):
        return _no_answer(route, end)
    # PostgreSQL's text cannot hold a null character, and the outcome must be recorded.
    text = end.body.decode("utf-8", "replace").replace("\0", " ")[:EXCERPT]
    status = end.status
    is_repeat = status == ACCEPTED_BEFORE and route.is_idempotent
    if 200 <= status < 300 or is_repeat:  # noqa: PLR2004 - RFC 9110 §15.3
        return Result(
            outcome=Outcome.ACCEPTED,
            detail="accepted before" if is_repeat else "accepted",
            http_status=status,
            reference=_reference(route, end.body),
            response=text,
        )
    return _not_accepted(route, end, text)


def _not_accepted(route: Route, end: Answer, text: str) -> Result:
    """Read an answer that is no acceptance."""
    status = end.status
    words = f"the provider answered {status}: {text[:300]}".rstrip(": ")
    if status in REFUSED:
        return Result(outcome=Outcome.REFUSED, detail=words, http_status=status, response=text)
    if status in OURS or 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 §15.4
        return _misconfigured(words, status, text)
    # A refusal says that nothing was taken; an error of the provider's own says nothing, and
    # neither does a conflict where no key tells our hand-overs apart.
    is_unclear = status >= 500 or status == ACCEPTED_BEFORE  # noqa: PLR2004 - RFC 9110 §15.6
    is_certain = not is_unclear or route.is_idempotent
    return Result(
        outcome=Outcome.TEMPORARY if is_certain else Outcome.UNKNOWN,
        detail=words,
        http_status=status,
        response=text,
        retry_after=retry_after.read(end.headers.get("retry-after"), utcnow()),
        is_provider_trouble=status not in BUSY,
        # A provider that honours the key and answers with an error has taken nothing.
        may_have_arrived=is_unclear and not route.is_idempotent,
    )


def _no_answer(route: Route, failure: Failure) -> Result:
    """Read a call that got no answer: a known failure only when no byte has left."""
    is_certain = not failure.may_have_arrived or route.is_idempotent
    return Result(
        outcome=Outcome.TEMPORARY if is_certain else Outcome.UNKNOWN,
        detail=failure.reason,
        is_provider_trouble=True,
        may_have_arrived=failure.may_have_arrived,
    )


def _misconfigured(detail: str, status: int | None = None, text: str | None = None) -> Result:
    """Say that our own configuration or credentials are wrong."""
    return Result(
        outcome=Outcome.MISCONFIGURED,
        detail=detail,
        http_status=status,
        response=text,
        is_provider_trouble=True,
    )


def _reference(route: Route, body: bytes) -> str | None:
    """Return the provider's own reference, by JSON pointer; None when it gives none."""
    pointer = route.settings.get("reference_pointer", "/id")
    try:
        # Read as the references of callbacks are, so that the two are found alike.
        found = pointers.find_text(strict_json.loads(body), pointer)
    except KuvertError:
        # An acceptance without a readable reference is an acceptance; the callback can still be
        # matched by the dispatch key.
        return None
    return found[:200] or None
