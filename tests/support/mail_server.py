"""A mail server of the test's own (aiosmtpd): takes mail, keeps it, and goes wrong when asked.

What it does is said by the local part of a recipient, before a `+` or `-`: `refuse` 550 and
`later` 451 at RCPT, `relay` 554 there, `spam` 554 and `full` 452 after the content, `cut` takes
the mail and hangs up without an answer, `lose` hangs up without taking it, `silent` takes it and
says nothing for a minute, `slow` takes a second. As a program it writes a line of JSON for each
mail it takes.
"""

import asyncio
import email
import email.policy
import json
import random
import re
import ssl
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.ports import free_port

Options = dict[str, Any]
USER, PASSWORD = "kuvert@example.org", "s3cret/wíth@signs"
AT_RCPT = {
    "refuse": "550 5.1.1 no such mailbox here",
    "later": "451 4.7.1 greylisted, come back",
    "relay": "554 5.7.1 Relay access denied",
}
AFTER_DATA = {
    "spam": "554 5.7.1 this looks like spam",
    "full": "452 4.2.2 mailbox full",
}


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that the server has accepted."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    peer: object
    user: str | None
    is_encrypted: bool
    options: tuple[str, ...]

    @property
    def message(self) -> EmailMessage:
        """Return it as programs of its reader see it."""
        parsed = email.message_from_bytes(self.content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class Handler:
    """What the server does; `cut_share` of the mails are taken, and the connection is cut.

    `seconds`: how long it takes a mail. `refuses_sender`: a reply to MAIL. `closes`: how many of
    the next commands MAIL find the connection closed.
    """

    taken: list[Taken] = field(default_factory=list)
    ledger: Path | None = None
    cut_share: float = 0.0
    seconds: float = 0.0
    refuses_sender: str | None = None
    closes: int = 0
    connections: set[object] = field(default_factory=set)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.connections.add(session.peer)
        if self.closes:
            self.closes -= 1
            _hang_up(server)
        if self.refuses_sender:
            return self.refuses_sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        said = AT_RCPT.get(_wish(address))
        if said is None:
            envelope.rcpt_tos.append(address)
        return said or "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        wish = _wish(envelope.rcpt_tos[0])
        if wish in AFTER_DATA:
            return AFTER_DATA[wish]
        await asyncio.sleep(self.seconds)
        is_cut = wish in {"cut", "lose"} or random.random() < self.cut_share
        if wish != "lose":
            self._take(session, envelope, is_cut=is_cut)
        if is_cut:
            _hang_up(server)
        if wish == "silent":
            await asyncio.sleep(60)
        if wish == "slow":
            await asyncio.sleep(1)
        return "250 2.0.0 queued as 4711"

    def _take(self, session: Session, envelope: Envelope, *, is_cut: bool) -> None:
        content = envelope.original_content or b""
        login: object = session.auth_data
        user = login.login.decode() if isinstance(login, LoginPassword) else None
        taken = Taken(
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            content=content,
            peer=session.peer,
            user=user,
            is_encrypted=session.ssl is not None,
            options=tuple(envelope.mail_options),
        )
        if self.ledger is None:
            self.taken.append(taken)
            return
        dispatch = re.search(rb"(?mi)^Kuvert-Dispatch: *(\S+)", content)
        line = {"dispatch": dispatch[1].decode() if dispatch else "", "is_cut": is_cut}
        with self.ledger.open("a") as ledger:
            ledger.write(json.dumps(line) + "\n")


def _hang_up(server: SMTP) -> None:
    """Close the connection, and let nothing more be said on it."""
    assert isinstance(server.transport, asyncio.Transport)
    server.transport.abort()
    raise asyncio.CancelledError


def _wish(address: str) -> str:
    return re.split(r"[@+-]", address, maxsplit=1)[0]


def _authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _way: str, given: object
) -> AuthResult:
    assert isinstance(given, LoginPassword)
    right = given.login.decode() == USER and given.password.decode() == PASSWORD
    return AuthResult(success=right, handled=False, auth_data=given)


class _Controller(Controller):
    """Knows its connections; aiosmtpd's own leaves them open when it stops."""

    def factory(self) -> SMTP:
        """Begin a connection."""
        server: SMTP = super().factory()  # type: ignore[no-untyped-call]
        self._servers = [*getattr(self, "_servers", []), server]
        return server

    async def hang_up(self) -> None:
        """Close every connection, and give the loop the time to do so."""
        for server in getattr(self, "_servers", []):
            if server.transport is not None:
                server.transport.abort()
        await asyncio.sleep(0.02)


class MailServer:
    """A server on a free port of loopback; `options` are those of aiosmtpd's SMTP."""

    def __init__(self, certificate: Path | None = None, given: Options | None = None) -> None:
        self.handler = Handler()
        self.port = free_port()
        options = dict(given or {})
        is_tls = options.pop("is_tls", False)
        context = _context(certificate) if certificate else None
        if context is not None and not is_tls:
            options["tls_context"] = context
        self._controller = _Controller(
            self.handler,
            hostname="127.0.0.1",
            port=self.port,
            server_hostname="mail.test",
            ssl_context=context if is_tls else None,
            ready_timeout=20,
            **options,
        )

    @property
    def taken(self) -> list[Taken]:
        """Return the mails that it has accepted."""
        return self.handler.taken

    @property
    def url(self) -> str:
        """Return what KUVERT_SMTP_URL would be, without TLS and login."""
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it."""
        self._controller.start()

    def stop(self) -> None:
        """Stop it, with all its connections."""
        asyncio.run_coroutine_threadsafe(self._controller.hang_up(), self._controller.loop).result()
        self._controller.stop()


@contextmanager
def mail_server(
    certificate: Path | None = None,
    **options: Any,  # noqa: ANN401 - aiosmtpd's own
) -> Iterator[MailServer]:
    """Yield a server that runs in a thread; `certificate` is a folder of `make_certificates`."""
    server = MailServer(certificate, options)
    with warnings.catch_warnings():
        # It warns of a login without TLS, which is what some tests are about.
        warnings.simplefilter("ignore", UserWarning)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


LOGIN: Options = {"authenticator": _authenticate, "auth_required": True, "auth_require_tls": False}
"""Options of a server that wants to know who we are."""


def main(port: str, ledger: str, cut_share: str, seconds: str) -> None:
    """Serve until the process ends."""
    handler = Handler(ledger=Path(ledger), cut_share=float(cut_share), seconds=float(seconds))
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", int(port))
    )
    assert server.sockets
    loop.run_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
