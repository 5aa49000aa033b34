"""The mail that carries an invoice: its letter, the document as it came, and a PDF."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from secrets import token_hex

from core import mail_token, mailer
from core.clock import utcnow
from invoices.channels import Envelope
from invoices.letters import Letter
from invoices.mail_route import MailRoute

_NOT_IN_NAME = re.compile(r"[^\w.+-]+")
_LONGEST_NAME = 100
_ENDINGS = {"application/json": "json", "application/xml": "xml", "text/xml": "xml"}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a letter."""

    name: str
    media_type: str
    body: bytes


def files_of(envelope: Envelope, pdf: bytes | None) -> list[Attachment]:
    """Return the document byte for byte, under a name that people know it by, and its PDF."""
    stem = file_stem(envelope.number)
    media_type = envelope.media_type.partition(";")[0].strip().lower()
    ending = _ENDINGS.get(media_type, "bin")
    files = [Attachment(f"{stem}.{ending}", media_type, envelope.body)]
    if pdf is not None:
        files.insert(0, Attachment(f"{stem}.pdf", "application/pdf", pdf))
    return files


def file_stem(number: str) -> str:
    """Return an invoice's number as a file can be called: letters and digits of any script."""
    return _NOT_IN_NAME.sub("-", number).strip("-.")[:_LONGEST_NAME] or "invoice"


def _boundary() -> str:
    """Return what parts the parts of a mail; nobody can know it, so no part holds it."""
    return f"={token_hex(16)}="


def build(
    route: MailRoute,
    envelope: Envelope,
    recipient: str,
    letter: Letter,
    files: Sequence[Attachment],
    *,
    secret_key: str,
) -> EmailMessage:
    """Write the mail; its Message-ID is the same for each attempt of a delivery.

    Raises:
        InputError: the sender, the recipient or the address for replies cannot be one.
    """
    token = mail_token.mint(secret_key, envelope.delivery_id)
    sender = mailer.shown(route.sender_name, route.mail_from)
    message = mailer.begun()
    message["From"] = sender
    message["To"] = mailer.shown("", recipient)
    if route.reply_to:
        message["Reply-To"] = mailer.shown("", route.reply_to)
    message["Subject"] = mailer.literal(letter.subject)
    message["Date"] = utcnow()
    message["Message-ID"] = mail_token.message_id(secret_key, envelope.delivery_id, sender.domain)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers a machine
    message[mail_token.HEADER] = token
    if envelope.is_test:
        message["Kuvert-Test"] = "1"
    message.set_content(letter.text)
    # Were it to choose what parts them, it would look for that in every line of every part.
    message.make_alternative(boundary=_boundary())
    message.add_alternative(letter.html, subtype="html")
    message.make_mixed(boundary=_boundary())
    for file in files:
        main, _, sub = file.media_type.partition("/")
        message.add_attachment(file.body, maintype=main, subtype=sub, filename=file.name)
    return message
