"""A new password by mail, for who has forgotten theirs: Flask-Security's recovery, in our words.

It is there where Kuvert can send mail. The link counts once and for an hour, it is built from
KUVERT_PUBLIC_URL and never from the Host header, and the answer is the same for every address.
"""

import logging
from datetime import timedelta

from flask import Flask, request
from flask_babel import lazy_gettext as _l
from flask_security import Security
from flask_security.signals import password_changed, password_reset

from core import mailer
from core.clock import utcnow
from core.db import db
from core.people import attempts
from core.people.models import User
from core.settings import Settings

logger = logging.getLogger("kuvert.login")

WITHIN = timedelta(hours=1)
MESSAGES = {
    "PASSWORD_RESET_REQUEST": (
        _l(
            "If somebody here has this mail address, a link to set a new password is on its way"
            " there. It counts for one hour."
        ),
        "info",
    ),
    "PASSWORD_RESET_EXPIRED": (_l("This link is too old; have a new one sent."), "error"),
    "INVALID_RESET_PASSWORD_TOKEN": (
        _l("This link does not count, or not any more; have a new one sent."),
        "error",
    ),
    "PASSWORD_RESET_NO_LOGIN": (_l("Your password is changed. Please log in with it."), "success"),
}


def options(settings: Settings) -> dict[str, object]:
    """Return Flask-Security's options: recovery where there is mail, or none at all."""
    return {
        "RECOVERABLE": mailer.is_set_up(settings),
        "RESET_PASSWORD_WITHIN": WITHIN,
        "EMAIL_SUBJECT_PASSWORD_RESET": "Kuvert: set a new password",
        "EMAIL_SUBJECT_PASSWORD_NOTICE": "Kuvert: your password was changed",
    }


def init_app(app: Flask, security: Security, settings: Settings) -> None:
    """Give the mails their links, and note what was changed."""
    security.mail_context_processor(lambda: {"desk_url": settings.desk_url})
    password_reset.connect(_recovered, app)
    password_changed.connect(_changed, app)


def _changed(_: Flask, user: User, **__: object) -> None:
    user.password_changed_at = utcnow()


def _recovered(_: Flask, user: User, **__: object) -> None:
    """Note a password that was set by a link; its owner begins with no failed logins."""
    user.password_changed_at = utcnow()
    attempts.forget(db.session.connection(), user.email)
    logger.info("password recovered", extra={"who": user.email, "address": request.remote_addr})
