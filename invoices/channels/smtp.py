"""The channel `smtp`: one mail for each invoice, over a connection that is kept between them."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import monotonic

from core import mail_token, mailer, smtp
from core.errors import InputError, KuvertError
from core.settings import current
from core.smtp import Answer, Mailbox, Stage, Verdict
from invoices import pdf
from invoices.channels import Draft, Envelope, Result, Route
from invoices.channels.smtp_message import build, files_of
from invoices.mail_route import MailRoute, mail_route
from invoices.models import Outcome

BATCH_SECONDS = 90.0
"""After so long no further mail is begun: with the longest that one may take, a batch still ends
before its task is told to (invoices.tasks)."""

OUTCOME_OF = {
    Verdict.ACCEPTED: Outcome.ACCEPTED,
    Verdict.REFUSED: Outcome.REFUSED,
    Verdict.TEMPORARY: Outcome.TEMPORARY,
    Verdict.MISCONFIGURED: Outcome.MISCONFIGURED,
    Verdict.UNKNOWN: Outcome.UNKNOWN,
}
logger = logging.getLogger(__name__)

_ABOUT_THE_MAIL = (Stage.RECIPIENT, Stage.CONTENT)
"""A reply of these stages is about the recipient or the text, not about the server's health."""


class SmtpChannel:
    """Hands invoices over to a mail server, one after the other."""

    def deliver(
        self, route: Route, envelopes: Iterable[Envelope], on_pause: Callable[[], object]
    ) -> Iterator[tuple[Envelope, Result]]:
        """Send one mail for each envelope; what the replies mean is docs/mail.md, "Sending"."""
        try:
            way = mail_route(route, current())
        except KuvertError as error:
            yield from ((envelope, _misconfigured(error.detail)) for envelope in envelopes)
            return
        began = monotonic()
        for envelope in envelopes:
            yield envelope, _sent(way, envelope, on_pause)
            if monotonic() - began > BATCH_SECONDS:
                return


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that is ready to go. `lack`: what it should have had and does not."""

    content: bytes
    sender: str
    recipient: str
    message_id: str
    lack: str | None


def _sent(way: MailRoute, envelope: Envelope, on_pause: Callable[[], object]) -> Result:
    """Write the mail, and send it."""
    if not envelope.recipient:
        return _refused("there is no address to send it to")
    if envelope.draft is None:
        return _misconfigured("there is nothing to write a letter from")
    try:
        Mailbox.of(envelope.recipient)
    except InputError as error:
        return _refused(f"no mail can go there: {error.detail}")
    try:
        mail = written(way, envelope, envelope.draft, envelope.recipient)
    except KuvertError as error:
        return _not_made(error.detail)
    except Exception as error:
        # Nothing has left: were it raised, the worker would seem lost in the middle of sending.
        logger.exception("a mail could not be made", extra={"delivery_id": envelope.delivery_id})
        return _not_made(f"{type(error).__name__}, a fault of Kuvert's that its log tells of")
    answer = smtp.send(way.server, mail.content, mail.sender, [mail.recipient], on_pause)
    return read_answer(answer, mail.message_id, mail.lack)


def written(way: MailRoute, envelope: Envelope, draft: Draft, recipient: str) -> Mail:
    """Write the mail.

    Raises:
        KuvertError: something that belongs to it cannot be made.
    """
    key = current().secret_key
    letter = draft.write()
    paper, lack = _pdf(way, envelope, draft.template.language)
    files = files_of(envelope, paper)
    message = build(way, envelope, recipient, letter, files, secret_key=key)
    return Mail(
        content=mailer.as_bytes(message),
        sender=mail_token.envelope_sender(key, envelope.delivery_id, way.bounces_to),
        recipient=recipient,
        message_id=str(message["Message-ID"]),
        lack=lack,
    )


def _pdf(way: MailRoute, envelope: Envelope, language: str) -> tuple[bytes | None, str | None]:
    """Return the PDF, and why there is none.

    Where the provider says that there must be one, nothing goes without it.

    Raises:
        KuvertError: there must be one, and it cannot be made.
    """
    if way.wants_pdf is False or envelope.is_test:
        return None, None
    if way.wants_pdf is None and not pdf.is_available():
        return None, None
    known = language if language in pdf.LANGUAGES else "en"
    try:
        return pdf.make(envelope.body, envelope.media_type, language=known), None
    except KuvertError as error:
        if way.wants_pdf:
            raise
        return None, f"without a PDF, which could not be made: {error.detail}"


def read_answer(answer: Answer, message_id: str, lack: str | None = None) -> Result:
    """Say what a server's answer means for the invoice."""
    has_reached = answer.is_accepted or answer.may_have_arrived
    return Result(
        outcome=OUTCOME_OF[answer.verdict],
        detail=_words(answer, lack),
        reference=message_id if has_reached else None,
        response=answer.words,
        is_provider_trouble=_is_trouble(answer),
        may_have_arrived=answer.may_have_arrived,
    )


def _is_trouble(answer: Answer) -> bool:
    """Tell whether an answer speaks against the server, and not of this mail alone."""
    if answer.verdict is Verdict.MISCONFIGURED:
        return True
    if answer.verdict in {Verdict.ACCEPTED, Verdict.REFUSED}:
        return False
    return answer.code is None or answer.stage not in _ABOUT_THE_MAIL


def _words(answer: Answer, lack: str | None) -> str:
    """Say in one line what became of a mail."""
    if answer.is_accepted:
        return f"accepted, {lack}"[:500] if lack else f"accepted: {answer.words[:300]}"
    if answer.code is None:
        return answer.text
    who = "the recipient was refused" if answer.stage is Stage.RECIPIENT else "the mail server said"
    return f"{who}: {answer.words[:300]}"


def _refused(detail: str) -> Result:
    """Say that no mail can go to such a recipient; nothing has left."""
    return Result(outcome=Outcome.REFUSED, detail=detail, is_untried=True)


def _not_made(why: str) -> Result:
    """Say that there is no mail yet: somebody may mend the template until the tries are used up."""
    detail = f"the mail could not be made: {why}"[:500]
    return Result(outcome=Outcome.TEMPORARY, detail=detail, is_untried=True)


def _misconfigured(detail: str) -> Result:
    """Say that our own configuration or credentials are wrong."""
    return Result(outcome=Outcome.MISCONFIGURED, detail=detail, is_provider_trouble=True)
