"""The loop that drives many exchanges at once over curl's multi interface.

`core.http` is the only user. The loop waits for sockets by itself, since curl's own `select`
knows none above 1023.
"""

import selectors
import socket
import time
import weakref
from collections.abc import Callable, Iterator, Mapping

import pycurl

from core.exchanges import Exchange, Request, RequestError


class Loop:
    """Drives the exchanges of one thread; idle handles and kept connections live here."""

    def __init__(self, *, allow_private: bool, ca_file: str | None, most_connections: int) -> None:
        self._allow_private = allow_private
        self._ca_file = ca_file
        self._idle: dict[bool, list[Exchange]] = {True: [], False: []}
        self._under_way: dict[pycurl.Curl, Exchange] = {}
        # What the name cache is known to hold. All handles share it and an entry given with
        # CURLOPT_RESOLVE stays, so that one exchange brings it for all that follow.
        self._pinned: dict[tuple[str, int], tuple[str, ...]] = {}
        self._running = 0
        self._due: float | None = None
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._selector.register(self._wake_out, selectors.EVENT_READ)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, most_connections)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, _watcher(self._selector))
        self._multi.setopt(pycurl.M_TIMERFUNCTION, _timer(weakref.ref(self)))
        self._end = weakref.finalize(
            self, _close_all, self._selector, self._wake_in, self._wake_out
        )

    def begin(self, request: Request, *, is_kept: bool) -> Exchange:
        """Begin an exchange; its first byte leaves in the next `turn`.

        Raises:
            RequestError: the request cannot be written.
        """
        is_pinned = not request.addresses or self._pinned.get(request.place) == request.addresses
        if not is_pinned:
            self._pinned.pop(request.place, None)
        exchange = self._lend(is_kept=is_kept)
        try:
            exchange.prepare(request, is_pinned=is_pinned)
            self._multi.add_handle(exchange.handle)
        except (RequestError, pycurl.error) as error:
            exchange.handle.close()
            raise RequestError(f"the request cannot be sent: {error}") from error
        self._under_way[exchange.handle] = exchange
        self._running += 1
        return exchange

    def finish(self, exchange: Exchange) -> None:
        """Take back an exchange that `turn` returned, for the next request."""
        request = exchange.request
        if request is not None and request.addresses and exchange.has_begun:
            self._pinned[request.place] = request.addresses
        self._multi.remove_handle(exchange.handle)
        self._idle[exchange.is_kept].append(exchange)

    def drop(self, exchange: Exchange) -> None:
        """Give up an exchange that is under way, and its connection."""
        if self._under_way.pop(exchange.handle, None) is not None:
            self._running -= 1
        self._multi.remove_handle(exchange.handle)
        exchange.handle.close()

    def turn(self, longest_wait: float) -> Iterator[tuple[Exchange, int, str]]:
        """Wait for the network at most so many seconds and return what has finished.

        Each comes with curl's error code (0 for none) and message.
        """
        # Whatever was added since the last turn begins here, and may even end here.
        self._run_timer()
        has_ended = self._running < len(self._under_way)
        for key, events in self._selector.select(0.0 if has_ended else self._wait(longest_wait)):
            if key.fileobj is self._wake_out:
                self._wake_out.recv(4096)
            else:
                # EVENT_READ and EVENT_WRITE have the values of CURL_CSELECT_IN and _OUT.
                _, self._running = self._multi.socket_action(key.fd, events)
        self._run_timer()
        return self._finished()

    def wake(self) -> None:
        """End the wait of `turn`; may be called by any thread, also when the loop is gone."""
        try:
            self._wake_in.send(b"\0")
        except OSError:
            # The pipe is full, so the wake-up is already there, or the loop was closed.
            return

    def close(self) -> None:
        """Close all connections."""
        self._multi.close()
        self._end()

    def set_timer(self, milliseconds: int) -> None:
        """Remember when curl wants to be called next; -1 is never."""
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def _run_timer(self) -> None:
        if self._due is not None and self._due <= time.monotonic():
            self._due = None
            _, self._running = self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _wait(self, longest: float) -> float:
        if self._due is None:
            return longest
        return max(0.0, min(longest, self._due - time.monotonic()))

    def _finished(self) -> Iterator[tuple[Exchange, int, str]]:
        while True:
            remaining, good, bad = self._multi.info_read()
            for handle in good:
                yield self._under_way.pop(handle), 0, ""
            for handle, code, message in bad:
                yield self._under_way.pop(handle), code, message
            if not remaining:
                return

    def _lend(self, *, is_kept: bool) -> Exchange:
        idle = self._idle[is_kept]
        if idle:
            return idle.pop()
        return Exchange(is_kept=is_kept, allow_private=self._allow_private, ca_file=self._ca_file)


def _watcher(
    selector: selectors.BaseSelector,
) -> Callable[[int, int, pycurl.CurlMulti, object], None]:
    """Return what curl calls to say which sockets to watch."""
    events = {
        pycurl.POLL_IN: selectors.EVENT_READ,
        pycurl.POLL_OUT: selectors.EVENT_WRITE,
        pycurl.POLL_INOUT: selectors.EVENT_READ | selectors.EVENT_WRITE,
    }

    def watch(what: int, descriptor: int, _multi: pycurl.CurlMulti, _data: object) -> None:
        known: Mapping[int, object] | None = selector.get_map()  # type: ignore[assignment]
        if known is None:  # the loop is closed, and curl lets go of its last sockets
            return
        if what == pycurl.POLL_REMOVE:
            if descriptor in known:
                selector.unregister(descriptor)
        elif descriptor in known:
            selector.modify(descriptor, events[what])
        else:
            selector.register(descriptor, events[what])

    return watch


def _timer(loop: "weakref.ref[Loop]") -> Callable[[int], None]:
    """Return what curl calls to say when it wants its next turn."""

    def set_timer(milliseconds: int) -> None:
        owner = loop()
        if owner is not None:
            owner.set_timer(milliseconds)

    return set_timer


def _close_all(*things: selectors.BaseSelector | socket.socket) -> None:
    for thing in things:
        thing.close()
