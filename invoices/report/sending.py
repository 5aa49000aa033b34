"""Sending the reports that are due, each with no transaction open."""

import logging
from email.message import EmailMessage
from email.utils import parseaddr
from functools import partial
from uuid import UUID

from core import mailer
from core.db import LONG, insist, reading, unit_of_work
from core.errors import InputError
from core.settings import Settings
from core.smtp import Answer, Mailbox, Stage, Verdict
from invoices.report import figures, message
from invoices.report_models import MailState
from invoices.services import report_mails
from invoices.services.report_mails import Claimed
from invoices.services.totals import Week

logger = logging.getLogger(__name__)

MOST = 20
"""Mails that one run sends; the watch rings for what is left."""


def send_due(settings: Settings) -> list[str]:
    """Send what is due; return one phrase for each mail."""
    said = []
    for _ in range(MOST):
        mail = insist(report_mails.claim)
        if mail is None:
            break
        said.append(_send(mail, settings))
    return said


def send_now(mail_id: UUID, settings: Settings) -> bool:
    """Send this mail, unless another process has it; tell whether the mail server took it."""
    with unit_of_work() as connection:
        mail = report_mails.claim(connection, mail_id)
    if mail is not None:
        _send(mail, settings)
    with reading() as connection:
        return bool(report_mails.find(connection, mail_id).state == MailState.SENT)


def _send(mail: Claimed, settings: Settings) -> str:
    """Send a claimed mail and write down how it ended.

    What goes wrong unforeseen while it is sent leaves it to its lease: it may have arrived.
    """
    try:
        made = _build(mail, settings)
    except Exception as error:
        # Nothing has left. A database that is away comes back, and a fault may be mended.
        why = f"it could not be put together: {type(error).__name__}: {error}"
        unmade = Answer(verdict=Verdict.TEMPORARY, stage=Stage.CONNECTING, text=why)
        insist(partial(report_mails.record, mail=mail, answer=unmade), LONG)
        raise
    answer = _hand_over(made, mail, settings)
    insist(partial(report_mails.record, mail=mail, answer=answer), LONG)
    extra = {"week": mail.week, "verdict": str(answer.verdict), "answer": answer.words}
    logger.info("report mailed" if answer.is_accepted else "report not mailed", extra=extra)
    to = ", ".join(mail.recipients)
    if answer.is_accepted:
        return f"{mail.week} mailed to {to}"
    return f"{mail.week} not mailed to {to} ({answer.verdict}): {answer.words}"


def _build(mail: Claimed, settings: Settings) -> EmailMessage:
    week = Week.named(mail.week, settings.timezone)
    with reading() as connection:
        found = figures.read(connection, week)
    made = message.build(found, settings)
    if settings.mail_from:
        domain = Mailbox.of(parseaddr(settings.mail_from)[1]).domain
        # The same for every try: whoever got two by mishap can tell that they are one.
        made["Message-ID"] = f"<{mail.id}@{domain}>"
    return made


def _hand_over(made: EmailMessage, mail: Claimed, settings: Settings) -> Answer:
    try:
        return mailer.send(made, mail.recipients, settings)
    except mailer.NoMailServerError as error:
        return Answer(verdict=Verdict.MISCONFIGURED, stage=Stage.CONNECTING, text=error.detail)
    except InputError as error:
        return Answer(verdict=Verdict.REFUSED, stage=Stage.RECIPIENT, text=error.detail)
