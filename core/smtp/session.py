"""One conversation with a mail server: greeting, TLS, login, and one mail after the other."""

import base64
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from core.mail_server import Server
from core.smtp.addresses import Mailbox
from core.smtp.answers import Answer, Refusal, SmtpError, Stage, Verdict
from core.smtp.wire import Reply, WireError, connect

ANSWER_SECONDS = 120.0
"""How long the answer to a whole mail is awaited. RFC 5321 §4.5.3.2.6 has ten minutes, which no
worker can hold on to a row for."""

RESET_SECONDS = 5.0

GO_ON = 354
SERVICE_ENDS = 421
_TOO_LARGE = 552
_LOGIN_NEEDED = 530
_CHALLENGE = 334
_PERMANENT = 5
_GO_ON_CLASS = 3
_SIZE = re.compile(r"[0-9]{1,20}")  # RFC 1870 §3
_EOL = re.compile(rb"\r\n|\r|\n")
_NOT_ALLOWED = re.compile(r"\brelay|\bauthenticat|not (?:logged in|authori[sz]ed)", re.IGNORECASE)
_END = b".\r\n"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it goes over the wire: its bytes with CRLF, and its envelope."""

    content: bytes
    sender: Mailbox
    recipients: Sequence[Mailbox]

    @classmethod
    def of(cls, content: bytes, sender: str, recipients: Sequence[str]) -> "Mail":
        """Read the addresses, and give each line the ending that SMTP wants.

        A lone CR or LF would let servers disagree where the mail ends.

        Raises:
            InputError: an address that cannot be one.
        """
        content = _EOL.sub(b"\r\n", content)
        if not content.endswith(b"\r\n"):
            content += b"\r\n"
        return cls(content, Mailbox.of(sender), [Mailbox.of(one) for one in recipients])

    @property
    def needs_utf8(self) -> bool:
        """Tell whether an address or a header is more than ASCII (RFC 6531 §3.4)."""
        boxes = (self.sender, *self.recipients)
        return any(box.needs_utf8 for box in boxes) or not self.head.isascii()

    @property
    def head(self) -> bytes:
        """Return the headers."""
        return self.content.partition(b"\r\n\r\n")[0]


class Session:
    """A connection to a server that has let us in.

    Raises:
        SmtpError: it could not be reached, is not encrypted as it must be, or refuses us.
    """

    def __init__(
        self, server: Server, deadline: float, on_pause: Callable[[], object] | None = None
    ) -> None:
        self.server = server
        self.mails = 0
        self.idle_since = monotonic()
        self._is_usable = True
        self._can: dict[str, str] = {}
        self._stage = Stage.CONNECTING
        try:
            self._wire = connect(server, deadline)
        except WireError as error:
            raise self._cut(error) from error
        self._wire.on_pause = on_pause
        try:
            self._open()
        except WireError as error:
            self._wire.close()
            raise self._cut(error) from error
        except SmtpError:
            self._wire.close()
            raise

    def send(
        self, mail: Mail, deadline: float, on_pause: Callable[[], object] | None = None
    ) -> Answer:
        """Hand one mail over until `deadline`, and wait for the answer.

        Raises:
            SmtpError: it was not taken, or nobody knows.
        """
        self._wire.deadline = deadline
        self._wire.on_pause = on_pause
        self._stage = Stage.SENDER
        try:
            self._hear_out()
            return self._send(mail)
        except WireError as error:
            self._is_usable = False
            raise self._cut(error) from error

    def reset(self) -> bool:
        """Take back what was begun; False when the connection is of no more use."""
        self._wire.deadline = monotonic() + RESET_SECONDS
        try:
            return self._is_usable and self._ask("RSET").is_positive
        except WireError:
            return False

    def close(self) -> None:
        """Say goodbye without waiting for the answer."""
        self._wire.deadline = monotonic() + 1
        try:
            self._wire.send(b"QUIT\r\n")
        except WireError:
            # It is gone already, and goodbye is all that was left to say.
            return
        finally:
            self._wire.close()

    def drop(self) -> None:
        """Close the connection without a word."""
        self._wire.close()

    # Opening

    def _open(self) -> None:
        if self.server.has_tls:
            self._encrypt()
        self._must(self._wire.read())
        self._greet()
        if self.server.must_start_tls:
            self._start_tls()
        if self.server.user and self.server.password:
            self._stage = Stage.LOGIN
            self._sign_in(self.server.user, self.server.password)

    def _encrypt(self) -> None:
        # What the machine trusts; SSL_CERT_FILE and SSL_CERT_DIR name another store.
        self._wire.encrypt(ssl.create_default_context(), self.server.target.host)

    def _greet(self) -> None:
        """Say EHLO and keep what the server can do; a server that knows HELO alone can nothing."""
        self._can = {}
        name = _own_name(self._wire.own_address)
        reply = self._ask(f"EHLO {name}")
        if not reply.is_positive:
            self._must(self._ask(f"HELO {name}"))
            return
        words = (line.replace("=", " ", 1).split(maxsplit=1) for line in reply.lines[1:])
        self._can = {word[0].upper(): "".join(word[1:]) for word in words if word}

    def _start_tls(self) -> None:
        if "STARTTLS" not in self._can:
            raise self._ours("it offers no TLS (STARTTLS), so nothing was sent")
        self._must(self._ask("STARTTLS"))
        self._encrypt()
        self._greet()

    def _sign_in(self, user: str, password: str) -> None:
        ways = self._can.get("AUTH", "").upper().split()
        if "PLAIN" in ways:
            lines = [f"\0{user}\0{password}"]
            reply = self._ask(f"AUTH PLAIN {_encoded(lines[0])}")
        elif "LOGIN" in ways:
            lines = [user, password]
            reply = self._answer_challenges(self._ask("AUTH LOGIN"), lines)
        else:
            known = ", ".join(ways) or "none"
            raise self._ours(f"it offers no way to sign in that is known here (offered: {known})")
        if not reply.is_positive:
            # Some servers repeat the line that they refuse, which holds the password.
            secrets = [*lines, password, *map(_encoded, lines)]
            raise SmtpError(self._negative(_without(reply, secrets)))

    def _answer_challenges(self, reply: Reply, lines: Sequence[str]) -> Reply:
        for line in lines:
            if reply.code != _CHALLENGE:
                return reply
            reply = self._ask(_encoded(line))
        return reply

    # One mail

    def _hear_out(self) -> None:
        """See that no word is left of what was before: it would be taken for the next reply.

        Raises:
            WireError: there is, which most often is a goodbye to an idle connection.
        """
        if self._wire.has_spoken():
            raise WireError("the server spoke without being asked")

    def _send(self, mail: Mail) -> Answer:
        self._check(mail)
        self._must(self._ask(f"MAIL FROM:<{mail.sender}>{self._options(mail)}"))
        refused = self._name_recipients(mail.recipients)
        self._stage = Stage.CONTENT
        reply = self._ask("DATA")
        if reply.code != GO_ON:
            raise SmtpError(self._negative(reply))
        reply = self._hand_over(mail.content)
        if not reply.is_positive:
            raise SmtpError(self._negative(reply))
        self.mails += 1
        return Answer(
            verdict=Verdict.ACCEPTED,
            stage=Stage.DONE,
            code=reply.code,
            text=reply.text,
            refused=refused,
        )

    def _check(self, mail: Mail) -> None:
        """Refuse what this server cannot take, before it is asked."""
        if mail.needs_utf8 and "SMTPUTF8" not in self._can:
            raise self._not_taken("it takes no address with letters outside ASCII (SMTPUTF8)")
        if not mail.content.isascii() and "8BITMIME" not in self._can:
            raise self._not_taken("it takes no 8-bit mail (8BITMIME)")
        limit = _size(self._can.get("SIZE", ""))
        if 0 < limit < len(mail.content):
            size = f"{len(mail.content):,} bytes, and it takes {limit:,} at most (SIZE)"
            raise self._not_taken(f"the mail has {size}")

    def _options(self, mail: Mail) -> str:
        options = ""
        if "SIZE" in self._can:
            options += f" SIZE={len(mail.content)}"
        if not mail.content.isascii():
            options += " BODY=8BITMIME"
        if mail.needs_utf8:
            options += " SMTPUTF8"
        return options

    def _name_recipients(self, recipients: Sequence[Mailbox]) -> tuple[Refusal, ...]:
        """Name the recipients and return those that are refused.

        Raises:
            SmtpError: all of them are.
        """
        self._stage = Stage.RECIPIENT
        refused: list[Refusal] = []
        reply = None
        for recipient in recipients:
            reply = self._ask(f"RCPT TO:<{recipient}>")
            if not reply.is_positive:
                refused.append(Refusal(str(recipient), reply.code, reply.text))
            if reply.code == SERVICE_ENDS:
                raise SmtpError(self._negative(reply, tuple(refused)))
        if reply is None or len(refused) == len(recipients):
            raise SmtpError(self._nobody(refused))
        return tuple(refused)

    def _nobody(self, refused: Sequence[Refusal]) -> Answer:
        """Say how a mail ends that nobody may have; one that may later is tried again."""
        one = next((each for each in refused if each.is_temporary), refused[0])
        return self._negative(Reply(one.code, (one.text,)), tuple(refused))

    def _hand_over(self, content: bytes) -> Reply:
        """Send the content, then its end.

        Without its end no server may deliver it (RFC 5321 §4.1.1.4), so until then every failure
        is a known one.
        """
        self._wire.send(_quoted(content))
        if self._wire.has_spoken():
            # It has refused the mail in the middle of it, and may still wait for the rest.
            self._is_usable = False
            raise SmtpError(self._negative(self._wire.read()))
        self._wire.deadline = monotonic() + ANSWER_SECONDS
        try:
            self._wire.send(_END)
            reply = self._wire.read()
        except WireError as error:
            raise self._unknown(str(error)) from error
        if reply.code // 100 == _GO_ON_CLASS:
            raise self._unknown(f"the server said {reply.code}, neither yes nor no,")
        return reply

    # Replies

    def _ask(self, line: str) -> Reply:
        self._wire.send(f"{line}\r\n".encode())
        return self._wire.read()

    def _must(self, reply: Reply) -> None:
        if not reply.is_positive:
            raise SmtpError(self._negative(reply))

    def _negative(self, reply: Reply, refused: tuple[Refusal, ...] = ()) -> Answer:
        """Say what a reply that is no yes means for the mail."""
        if reply.code // 100 != _PERMANENT:
            verdict = Verdict.TEMPORARY
        elif self._is_ours(reply):
            verdict = Verdict.MISCONFIGURED
        else:
            verdict = Verdict.REFUSED
        return Answer(
            verdict=verdict, stage=self._stage, code=reply.code, text=reply.text, refused=refused
        )

    def _is_ours(self, reply: Reply) -> bool:
        """Tell whether a refusal for good is about us, and not about this mail.

        A server that does not let us send to others says so at the recipient.
        """
        if self._stage is Stage.SENDER:
            return reply.code != _TOO_LARGE
        if self._stage is Stage.RECIPIENT:
            return reply.code == _LOGIN_NEEDED or bool(_NOT_ALLOWED.search(reply.text))
        return self._stage is not Stage.CONTENT

    def _cut(self, error: WireError) -> SmtpError:
        text = f"{self.server.shown}: {error}"
        return SmtpError(Answer(verdict=Verdict.TEMPORARY, stage=self._stage, text=text))

    def _unknown(self, what: str) -> SmtpError:
        self._is_usable = False
        text = f"{self.server.shown}: {what} after the whole mail was sent"
        return SmtpError(Answer(verdict=Verdict.UNKNOWN, stage=self._stage, text=text))

    def _ours(self, why: str) -> SmtpError:
        text = f"{self.server.shown}: {why}"
        return SmtpError(Answer(verdict=Verdict.MISCONFIGURED, stage=self._stage, text=text))

    def _not_taken(self, why: str) -> SmtpError:
        text = f"{self.server.shown}: {why}"
        return SmtpError(Answer(verdict=Verdict.REFUSED, stage=self._stage, text=text))


def _own_name(address: str) -> str:
    """Return what we call ourselves: a name with a domain, else our address (RFC 5321 §4.1.3)."""
    name = socket.gethostname()
    if "." in name and name.isascii():
        return name
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _size(text: str) -> int:
    """Return the most bytes that a server says it takes; 0: it does not say."""
    return int(text) if _SIZE.fullmatch(text.strip()) else 0


def _quoted(content: bytes) -> bytes:
    """Double the dot in front of each line that begins with one (RFC 5321 §4.5.2)."""
    quoted = content.replace(b"\r\n.", b"\r\n..")
    return b"." + quoted if quoted.startswith(b".") else quoted


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _without(reply: Reply, secrets: Sequence[str]) -> Reply:
    lines = reply.lines
    for secret in secrets:
        lines = tuple(line.replace(secret, "***") for line in lines)
    return Reply(reply.code, lines)
