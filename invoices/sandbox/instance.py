"""One running sandbox: provider, callbacks and server put together."""

from dataclasses import dataclass
from typing import Self

from core.webhooks import Secret
from invoices.sandbox.announcer import RETRY_SECONDS, Announcer
from invoices.sandbox.ledger import KEYS_LIMIT, Ledger
from invoices.sandbox.provider import Provider
from invoices.sandbox.server import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Where and how the sandbox calls back; times in seconds."""

    url: str
    secret: Secret
    delay: float = 0.5
    retry_seconds: tuple[float, ...] = RETRY_SECONDS


class Sandbox:
    """A sandbox that is bound at once, serves from `start` and is gone after `stop`."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        callbacks: Callbacks | None = None,
        slow_seconds: float = 5.0,
        keys_limit: int = KEYS_LIMIT,
    ) -> None:
        """Bind to `host` and `port` (0: any free one); without `callbacks` it never calls back.

        Raises:
            OSError: the address is in use, or is none of this machine.
        """
        ledger = Ledger(keys_limit)
        self._announcer = _announcer(callbacks, ledger)
        self._provider = Provider(ledger, self._announcer, slow_seconds)
        self._server = Server(host, port, self._provider)

    @property
    def url(self) -> str:
        """Return its base address, such as `http://127.0.0.1:8090`."""
        return self._server.url

    def start(self) -> None:
        """Serve, in threads of its own."""
        if self._announcer is not None:
            self._announcer.start()
        self._server.start()

    def stop(self) -> None:
        """Answer what can be answered at once, forget the rest; takes less than 2 s."""
        self._provider.stop()
        if self._announcer is not None:
            self._announcer.stop()
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def _announcer(callbacks: Callbacks | None, ledger: Ledger) -> Announcer | None:
    """Build the announcer, where callbacks are wanted."""
    if callbacks is None:
        return None
    return Announcer(
        callbacks.url,
        callbacks.secret,
        ledger,
        delay=callbacks.delay,
        retry_seconds=callbacks.retry_seconds,
    )
