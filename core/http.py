"""The one client for outgoing HTTP: many calls at once, each with a clear ending.

Every call ends as an `Answer` or as a `Failure` that says whether the other side may have seen
the request; that is what decides between trying again and asking a person. Hosts are checked
by `core.targets` and connected to at the checked addresses only.
"""

import os
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial

from core import targets
from core.errors import InputError
from core.exchanges import CONNECT_SECONDS, Exchange, Request, RequestError, plain_reason
from core.targets import Target, TargetError
from core.transfers import Loop

Place = tuple[str, int]
Found = tuple[str, ...] | str  # addresses, or why there are none
Resolver = Callable[[Target], tuple[str, ...]]

_LONGEST_WAIT_SECONDS = 1.0
_PAUSE_SECONDS = 0.25
_KEPT_PER_SLOT = 2


@dataclass(frozen=True, slots=True)
class Call:
    """A POST. `key` tells the caller which; it goes nowhere.

    `is_repeatable` says that the other side honours an idempotency key: then kept connections
    are used, on which a request can arrive twice. Otherwise each call has its own connection.
    """

    key: Hashable
    url: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    is_repeatable: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, of any status; header names in lower case, at most 64 kB of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer. Unless `may_have_arrived`, no byte of the request has left this machine."""

    reason: str
    may_have_arrived: bool
    seconds: float


Outcome = Answer | Failure


class HttpClient:
    """Sends calls; keeps handles and connections. For one thread of one process."""

    def __init__(
        self,
        *,
        allow_private: bool,
        timeout_seconds: float = 30,
        concurrency: int = 64,
        ca_file: str | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        """Make a client; `ca_file` replaces the bundled authorities, `resolver` the system's."""
        self.allow_private = allow_private
        self.timeout_seconds = timeout_seconds
        self.concurrency = concurrency
        self.resolver = resolver or partial(targets.resolve, allow_private=allow_private)
        self.loop = Loop(
            allow_private=allow_private,
            ca_file=ca_file,
            most_connections=_KEPT_PER_SLOT * concurrency,
        )
        self._is_sending = False
        _alive.add(self)

    def send(
        self, calls: Iterable[Call], *, on_pause: Callable[[], object] | None = None
    ) -> Iterator[tuple[Call, Outcome]]:
        """Send the calls and yield each with its outcome, in the order in which they end.

        Takes from `calls` only what it can begin at once, and never more than `concurrency`
        calls are under way. When `calls` raises, what is under way is finished and yielded
        first. Closing the iterator early drops the calls under way. `on_pause` is called about
        four times a second while calls are under way and none of them ends.

        Raises:
            RuntimeError: another `send` of this client is not finished.
        """
        if self._is_sending:
            raise RuntimeError("this client is already sending; finish that iterator first")
        self._is_sending = True
        sending = _Sending(self, iter(calls))
        try:
            yield from sending.outcomes(on_pause)
        finally:
            sending.drop()
            self._is_sending = False

    def close(self) -> None:
        """Close the kept connections; the client cannot be used afterwards."""
        self.loop.close()


@dataclass(slots=True)
class _Started:
    """A call under way; times are those of `time.monotonic`."""

    call: Call
    target: Target
    began: float

    @property
    def place(self) -> Place:
        return (self.target.host, self.target.port)

    def seconds(self) -> float:
        """Return how long the call has taken so far."""
        return time.monotonic() - self.began

    def unsent(self, reason: str) -> tuple[Call, Failure]:
        """Return the outcome of a call of which nothing was sent."""
        return self.call, Failure(reason, may_have_arrived=False, seconds=self.seconds())


@dataclass(slots=True)
class _LookUp:
    """A host name that a thread is resolving, and the calls that wait for it."""

    give_up_at: float
    waiting: list[_Started] = field(default_factory=list)


class _Sending:
    """The state of one `HttpClient.send`."""

    def __init__(self, client: HttpClient, calls: Iterator[Call]) -> None:
        self._client = client
        self._calls: Iterator[Call] | None = calls
        self._broken: Exception | None = None
        self._under_way: dict[Exchange, _Started] = {}
        self._ended: deque[tuple[Call, Outcome]] = deque()
        # Hosts are resolved once for each `send`, in threads: a dead name server holds up
        # its own calls and no others.
        self._known: dict[Place, Found] = {}
        self._look_ups: dict[Place, _LookUp] = {}
        self._resolved: queue.SimpleQueue[tuple[Place, Found]] = queue.SimpleQueue()

    def outcomes(self, on_pause: Callable[[], object] | None) -> Iterator[tuple[Call, Outcome]]:
        """Run until every call has ended; then raise what the iterator of calls raised."""
        longest_wait = _LONGEST_WAIT_SECONDS if on_pause is None else _PAUSE_SECONDS
        while True:
            has_more = self._has_room() and self._start_next()
            if self._under_way or self._look_ups:
                self._turn(0.0 if has_more else longest_wait)
            if on_pause is not None and not has_more and not self._ended:
                on_pause()
            while self._ended:
                yield self._ended.popleft()
            if self._calls is None and not self._under_way and not self._look_ups:
                break
        if self._broken is not None:
            raise self._broken

    def drop(self) -> None:
        """Give up what is still under way; its connections are closed with it."""
        for exchange in self._under_way:
            self._client.loop.drop(exchange)
        self._under_way.clear()
        self._look_ups.clear()

    def _has_room(self) -> bool:
        waiting = sum(len(look_up.waiting) for look_up in self._look_ups.values())
        return self._calls is not None and len(self._under_way) + waiting < (
            self._client.concurrency
        )

    def _start_next(self) -> bool:
        """Take one call and begin it; False when there is none left."""
        call = self._next_call()
        if call is None:
            return False
        began = time.monotonic()
        try:
            target = _target(call.url, self._client.allow_private)
        except InputError as error:
            self._ended.append((call, Failure(error.detail, may_have_arrived=False, seconds=0.0)))
            return True
        self._place(_Started(call, target, began))
        return True

    def _next_call(self) -> Call | None:
        if self._calls is None:
            return None
        try:
            return next(self._calls)
        except StopIteration:
            self._calls = None
        except Exception as error:  # noqa: BLE001 - raised again when the calls under way ended
            self._calls = None
            self._broken = error
        return None

    def _place(self, started: _Started) -> None:
        """Begin the call, or let it wait for the address of its host."""
        known = () if started.target.is_address else self._known.get(started.place)
        if known is None:
            self._look_up(started)
        elif isinstance(known, str):
            self._ended.append(started.unsent(known))
        else:
            self._begin(started, known)

    def _look_up(self, started: _Started) -> None:
        look_up = self._look_ups.get(started.place)
        if look_up is None:
            patience = min(CONNECT_SECONDS, self._client.timeout_seconds)
            look_up = _LookUp(give_up_at=started.began + patience)
            self._look_ups[started.place] = look_up
            arguments = (self._client, started.target, self._resolved)
            threading.Thread(target=_resolve, args=arguments, daemon=True).start()
        look_up.waiting.append(started)

    def _begin(self, started: _Started, addresses: tuple[str, ...]) -> None:
        call = started.call
        left = self._client.timeout_seconds - started.seconds()
        request = Request(started.target, addresses, call.headers, call.body, left)
        try:
            exchange = self._client.loop.begin(request, is_kept=call.is_repeatable)
        except RequestError as error:
            self._ended.append(started.unsent(str(error)))
        else:
            self._under_way[exchange] = started

    def _turn(self, longest_wait: float) -> None:
        now = time.monotonic()
        for look_up in self._look_ups.values():
            longest_wait = min(longest_wait, max(0.0, look_up.give_up_at - now))
        for exchange, code, message in self._client.loop.turn(longest_wait):
            started = self._under_way.pop(exchange)
            outcome = _outcome(exchange, code, message, started.seconds())
            self._client.loop.finish(exchange)
            self._ended.append((started.call, outcome))
        if self._look_ups:
            self._take_addresses()

    def _take_addresses(self) -> None:
        """Go on with the calls whose hosts are resolved, and end those that waited too long."""
        while not self._resolved.empty():
            place, found = self._resolved.get()
            self._settle(place, found)
        now = time.monotonic()
        for place, look_up in list(self._look_ups.items()):
            if look_up.give_up_at <= now:
                self._settle(place, f"{place[0]} cannot be resolved: no answer in time")

    def _settle(self, place: Place, found: Found) -> None:
        look_up = self._look_ups.pop(place, None)
        if look_up is None:  # it had been given up
            return
        self._known[place] = found
        for started in look_up.waiting:
            self._place(started)


_alive: "weakref.WeakSet[HttpClient]" = weakref.WeakSet()
_held_over_fork: list[list[HttpClient]] = []
_here = threading.local()

# A child must neither use nor close its parent's connections: closing one would say goodbye
# on it (TLS). So the parent's clients are held where the child never frees them.
os.register_at_fork(
    before=lambda: _held_over_fork.append(list(_alive)),
    after_in_parent=_held_over_fork.pop,
)


def client_for_this_thread(
    *, allow_private: bool, timeout_seconds: float = 30, concurrency: int = 64
) -> HttpClient:
    """Return this thread's client with these settings; after a fork the child gets its own."""
    if getattr(_here, "process", None) != os.getpid():
        _here.process = os.getpid()
        _here.clients = {}
    clients: dict[tuple[bool, float, int], HttpClient] = _here.clients
    settings = (allow_private, timeout_seconds, concurrency)
    if settings not in clients:
        clients[settings] = HttpClient(
            allow_private=allow_private, timeout_seconds=timeout_seconds, concurrency=concurrency
        )
    return clients[settings]


@lru_cache(maxsize=1024)
def _target(url: str, allow_private: bool) -> Target:
    """Check a URL again: it may have been saved under other rules."""
    return targets.check_url(url, allow_private=allow_private, allow_http=True)


def _resolve(
    client: HttpClient,
    target: Target,
    answers: "queue.SimpleQueue[tuple[Place, Found]]",
) -> None:
    """Resolve a host in a thread of its own; the answer is addresses, or why there are none."""
    found: Found = "the host cannot be resolved"
    try:
        found = client.resolver(target)
    except TargetError as error:
        found = error.detail
    finally:
        answers.put(((target.host, target.port), found))
        client.loop.wake()


def _outcome(exchange: Exchange, code: int, message: str, seconds: float) -> Outcome:
    """Turn what curl says into the outcome of a call."""
    if code and not exchange.is_cut:
        return Failure(plain_reason(code, message), exchange.has_begun, seconds)
    if exchange.has_long_headers:
        return Failure("answer headers longer than 64 kB", exchange.has_begun, seconds)
    headers = exchange.read_headers()
    if headers is None:
        return Failure("answer cut off among its headers", exchange.has_begun, seconds)
    return Answer(exchange.status, headers, exchange.body, seconds)
