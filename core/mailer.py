"""Kuvert's own mail, such as reports and new passwords: through KUVERT_SMTP_URL."""

import re
from collections.abc import Sequence
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy, default
from email.utils import make_msgid, parseaddr

from core import smtp
from core.clock import utcnow
from core.errors import InputError, KuvertError
from core.settings import Settings
from core.smtp import Answer, Mailbox, Server

_UNQUOTED = re.compile(r'^"|"$|\\(.)')
"""What quoting puts around a local part (RFC 5321 §4.1.2); headers are quoted anew."""
_LINE_LENGTH = 76  # RFC 2047 §2
_IN_ASCII = default.clone(cte_type="7bit")
_BREAKS = re.compile(r"[\r\n\0]")


class NoMailServerError(KuvertError):
    """No mail can be sent, because the settings name no server or no sender."""

    status_code = 503
    slug = "no-mail-server"
    title = "No mail can be sent"


def is_set_up(settings: Settings) -> bool:
    """Tell whether the settings name a mail server and a sender."""
    return bool(settings.smtp_url and settings.mail_from)


def send(message: EmailMessage, to: Sequence[str], settings: Settings) -> Answer:
    """Send `message` to each of `to`, from KUVERT_MAIL_FROM; return how it ended.

    From, To, Date, Message-ID and Auto-Submitted (RFC 3834) are set where the message has none.
    Bounces go to the sender. Never call it in a transaction: it may take minutes.

    Raises:
        NoMailServerError: KUVERT_SMTP_URL or KUVERT_MAIL_FROM is not set.
        InputError: an address that cannot be one; nothing was sent.
    """
    if not settings.smtp_url or not settings.mail_from:
        missing = "KUVERT_SMTP_URL" if not settings.smtp_url else "KUVERT_MAIL_FROM"
        raise NoMailServerError(f"{missing} is not set, so no mail can be sent")
    sender = parseaddr(settings.mail_from)
    _complete(message, sender, to)
    return smtp.send(Server.of(settings.smtp_url), as_bytes(message), sender[1], to)


def begun() -> EmailMessage:
    """Return an empty message whose parts are in ASCII from the beginning.

    Those with other bytes in them would be copied and encoded when they are written.
    """
    return EmailMessage(policy=_IN_ASCII)


def as_bytes(message: EmailMessage) -> bytes:
    """Return a message as it goes over the wire, in ASCII wherever that can be said in it.

    Raises:
        InputError: a header would become two.
    """
    for part in message.walk():
        for name, value in part.items():
            if _BREAKS.search(str(value)):
                raise InputError(f"the header {name} would have a line break in it")
    rules = _Rules(linesep="\r\n", cte_type="7bit", utf8=_has_utf8_address(message))
    return message.as_bytes(policy=rules)


def literal(text: str) -> str:
    """Return a text as it can be set in a header without being read as code (RFC 2047).

    The email library decodes `=?utf-8?q?a=0D=0ABcc:…?=` when it is set, and writes the line break.
    """
    return text.replace("=?", "= ?")


def shown(name: str, address: str) -> Address:
    """Return an address as headers have it: a name, and the domain in ASCII.

    Raises:
        InputError: it cannot be one.
    """
    box = Mailbox.of(address)
    return Address(literal(name), _UNQUOTED.sub(r"\1", box.local), box.domain)


class _Rules(EmailPolicy):
    """Writes addresses itself: Python loses the quotes of a name that it folds.

    `Ferdinand, Muster & Partner … <a@b.example>` would be two senders then.
    """

    def fold_binary(self, name: str, value: object) -> bytes:
        """Write a header."""
        boxes: Sequence[Address] = getattr(value, "addresses", ())
        if not boxes:
            written: bytes = super().fold_binary(name, value)  # type: ignore[arg-type]
            return written
        lines = ",\r\n ".join(self._written(box) for box in boxes)
        return f"{name}: {lines}\r\n".encode("utf-8" if self.utf8 else "ascii")

    def _written(self, box: Address) -> str:
        name = box.display_name
        if self.utf8 or name.isascii():
            return str(box)
        coded = Header(name, "utf-8", maxlinelen=_LINE_LENGTH, header_name="Reply-To")
        return f"{coded.encode(linesep=self.linesep)} <{box.addr_spec}>"


def _complete(message: EmailMessage, sender: tuple[str, str], to: Sequence[str]) -> None:
    me = shown(*sender)
    defaults = {
        "From": me,
        "To": [shown("", one) for one in to],
        "Date": utcnow(),
        "Message-ID": make_msgid(domain=me.domain),
        "Auto-Submitted": "auto-generated",
    }
    for name, value in defaults.items():
        if name not in message:
            message[name] = value


def _has_utf8_address(message: EmailMessage) -> bool:
    """Tell whether an address needs more than ASCII in front of its @ (RFC 6532)."""
    headers = [message[name] for name in ("From", "To", "Cc", "Reply-To") if name in message]
    return any(not one.username.isascii() for header in headers for one in header.addresses)
