"""Mails to staff, sent beside the request: nobody can tell by the time whether one goes out."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from functools import partial
from typing import Any

from flask import Flask

from core import mailer
from core.db import after_commit
from core.people.forms import Addresses
from core.settings import Settings
from core.web import settings_of

logger = logging.getLogger("kuvert.login")

MOST_WAITING = 100
"""Mails that may wait in one process; what is more is dropped, and may be asked for again."""

_ONCE_COMMITTED = "security/email/reset_notice"
"""The mail that says that something was changed; it waits until it has been."""


class Mails(Addresses):
    """What Flask-Security sends, through KUVERT_SMTP_URL."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self._settings = settings_of(app)
        self._room = threading.BoundedSemaphore(MOST_WAITING)
        # Its threads begin with the first mail, in the process that serves.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="staff-mail")

    def send_mail(  # noqa: PLR0917 - as the base has it
        self,
        template: str,
        subject: str,
        recipient: str | tuple[str, str],
        sender: str | tuple[str, str],
        body: str | None,
        html: str | None,
        **kwargs: Any,  # noqa: ANN401 - as the base has it
    ) -> None:
        """Have a mail sent in the background; how it ended is in the log."""
        del sender, kwargs
        message = EmailMessage()
        message["Subject"] = str(subject)
        message.set_content(body or "")
        message.add_alternative(html or "", subtype="html")
        to = recipient if isinstance(recipient, str) else recipient[1]
        hand_over = partial(self._hand_over, template, message, to)
        if template == _ONCE_COMMITTED:
            after_commit(hand_over)
        else:
            hand_over()

    def _hand_over(self, template: str, message: EmailMessage, to: str) -> None:
        if not self._room.acquire(blocking=False):
            logger.error("mail to staff dropped: too many wait", extra={"mail": template})
            return
        self._threads.submit(self._send, template, message, to)

    def _send(self, template: str, message: EmailMessage, to: str) -> None:
        try:
            _send(self._settings, template, message, to)
        except Exception:
            # Nobody waits for the thread; without this line it would be lost.
            logger.exception("mail to staff not sent", extra={"mail": template, "who": to})
        finally:
            self._room.release()


def _send(settings: Settings, template: str, message: EmailMessage, to: str) -> None:
    answer = mailer.send(message, [to], settings)
    extra = {"mail": template, "who": to, "answer": answer.words, "verdict": str(answer.verdict)}
    if answer.is_accepted:
        logger.info("mail to staff sent", extra=extra)
    else:
        logger.error("mail to staff not sent", extra=extra)
