"""Kuvert's own mail, such as reports and new passwords: through KUVERT_SMTP_URL."""

import re
from collections.abc import Sequence
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import make_msgid, parseaddr

from core import smtp
from core.clock import utcnow
from core.errors import KuvertError
from core.settings import Settings
from core.smtp import Answer, Mailbox, Server

_UNQUOTED = re.compile(r'^"|"$|\\(.)')
"""What quoting puts around a local part (RFC 5321 §4.1.2); headers are quoted anew."""


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


def as_bytes(message: EmailMessage) -> bytes:
    """Return a message as it goes over the wire, in ASCII wherever that can be said in it."""
    rules = policy.SMTP.clone(cte_type="7bit", utf8=_has_utf8_address(message))
    return message.as_bytes(policy=rules)


def shown(name: str, address: str) -> Address:
    """Return an address as headers have it: a name, and the domain in ASCII.

    Raises:
        InputError: it cannot be one.
    """
    box = Mailbox.of(address)
    return Address(name, _UNQUOTED.sub(r"\1", box.local), box.domain)


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
