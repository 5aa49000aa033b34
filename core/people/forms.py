"""The forms of login, and how they count what fails.

Every refusal is logged with who was named and from where. The answer is the same whether the
account exists or not, is disabled, or the password is wrong.
"""

import logging
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

import flask_security
from flask import Response, after_this_request, g, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from flask_security import EmailValidateException, MailUtil, PasswordUtil
from flask_security.forms import (
    EmailValidation,
    EqualToLocalize,
    IsString,
    IsStringOrInt,
    RequiredLocalize,
    email_required,
    password_required,
    valid_user_email,
)
from wtforms import EmailField, Field, Form, PasswordField, RadioField, StringField
from wtforms.validators import ValidationError

from core import actor, strict_json
from core.clock import utcnow
from core.db import insist
from core.errors import InputError, KuvertError
from core.people import attempts, emails, passwords
from core.people.attempts import Proof

logger = logging.getLogger("kuvert.login")

_LONGEST_SHOWN = 254
_SHOWN_AS_SECONDS = 120
_LONGEST_NOTE = 1000
_TOO_MANY = {
    Proof.PASSWORD: "too many failed logins",
    Proof.CODE: "too many failed logins",
    Proof.LINK: "too many links asked for",
}
_NAME = {"autocomplete": "username"}
_CURRENT = {"autocomplete": "current-password"}
_NEW = {"autocomplete": "new-password"}
_CODE = {"autocomplete": "one-time-code", "inputmode": "numeric"}


def _at_most(form: Form, field: Field) -> None:
    """Refuse what is too long to be a password, before anything is computed of it."""
    del form
    if len(field.data or "") > passwords.LONGEST:
        raise ValidationError(_("This is too long"))


def identity(text: str) -> str | None:
    """Return the normal form of the address that somebody logs in with; None: it is none."""
    try:
        return emails.normal(text)
    except InputError:
        return None


class Addresses(MailUtil):
    """Mail addresses in our normal form, wherever Flask-Security reads one."""

    def normalize(self, email: str) -> str:
        """Return the normal form.

        Raises:
            EmailValidateException: it is no mail address.
        """
        found = identity(email)
        if found is None:
            raise EmailValidateException(_("This is not a mail address"))
        return found

    def validate(self, email: str) -> str:
        """Do the same: nothing is asked of DNS."""
        return self.normalize(email)


class Passwords(PasswordUtil):
    """New passwords, checked as those that commands set."""

    def validate(
        self,
        password: str,
        is_register: bool,
        **kwargs: Any,  # noqa: ANN401 - as the base has it
    ) -> tuple[list[str] | None, str]:
        """Return what is wrong with `password`, if anything, and its normal form."""
        del is_register
        why = passwords.weakness(password, kwargs["user"].email)
        return [why] if why else None, self.normalize(password)


class LoginForm(flask_security.LoginForm):
    """Address and password. No browser is remembered: sessions end when they are not used."""

    remember = None
    email = EmailField(
        _l("Mail address"), [IsString(), email_required, EmailValidation()], render_kw=_NAME
    )
    password = PasswordField(_l("Password"), [_at_most, password_required], render_kw=_CURRENT)

    def validate(self, **kwargs: object) -> bool:
        """Check the password, unless too many have failed."""
        given = self.email.data or ""
        if not given or not self.password.data:
            return super().validate(**kwargs)
        email = identity(given) or given[:_LONGEST_SHOWN]
        return _prove(
            self, Proof.PASSWORD, email, lambda: super(LoginForm, self).validate(**kwargs)
        )


class VerifyForm(flask_security.VerifyForm):
    """The password once more, before something dangerous."""

    password = PasswordField(_l("Password"), [_at_most, password_required], render_kw=_CURRENT)

    def validate(self, **kwargs: object) -> bool:
        """Check the password, unless too many have failed."""
        if not self.password.data:
            return super().validate(**kwargs)
        check = partial(super().validate, **kwargs)
        return _prove(self, Proof.PASSWORD, current_user.email, check)


class ChangePasswordForm(flask_security.ChangePasswordForm):
    """The password of now, and the new one twice."""

    password = PasswordField(_l("Current password"), [_at_most], render_kw=_CURRENT)
    new_password = PasswordField(
        _l("New password"), [IsString(), password_required], render_kw=_NEW
    )
    new_password_confirm = PasswordField(
        _l("The new password again"),
        [
            IsString(),
            EqualToLocalize("new_password", message="RETYPE_PASSWORD_MISMATCH"),
            password_required,
        ],
        render_kw=_NEW,
    )

    def validate(self, **kwargs: object) -> bool:
        """Check the password of now, unless too many have failed; then the new one."""
        given = self.password.data or ""
        if not 0 < len(given) <= passwords.LONGEST:
            return super().validate(**kwargs)
        kept = current_user.password
        if not _prove(
            self, Proof.PASSWORD, current_user.email, lambda: passwords.is_right(given, kept)
        ):
            self.password.errors = [*self.password.errors, _("This is not your password.")]
            return False
        return super().validate(**kwargs)


class ForgottenForm(flask_security.ForgotPasswordForm):
    """The address of somebody who has forgotten the password; each time it is asked counts."""

    email = EmailField(
        _l("Mail address"),
        [IsString(), email_required, EmailValidation(), valid_user_email],
        render_kw=_NAME,
    )

    def validate(self, **kwargs: object) -> bool:
        """Check the address, unless too many links were asked for."""
        given = self.email.data or ""
        if not given:
            return super().validate(**kwargs)
        email = identity(given) or given[:_LONGEST_SHOWN]
        if not _count(self, Proof.LINK, email):
            return False
        is_known = super().validate(**kwargs)
        if is_known:
            # Flask-Security hashes a password for strangers; so both answers take as long.
            passwords.hashed(passwords.made())
        else:
            _log_refusal("no link for this address", email)
        return is_known


class RecoverForm(flask_security.ResetPasswordForm):
    """The new password twice, for whoever came by a link."""

    password = PasswordField(
        _l("New password"), [_at_most, IsString(), password_required], render_kw=_NEW
    )
    password_confirm = PasswordField(
        _l("The new password again"),
        [IsString(), EqualToLocalize("password", message="RETYPE_PASSWORD_MISMATCH")],
        render_kw=_NEW,
    )

    def validate(self, **kwargs: object) -> bool:
        """Check the new password; the audit names whose it is."""
        if not super().validate(**kwargs):
            return False
        if self.user is not None:
            actor.act_as(self.user.email, "a link by mail")
        return True


class CodeForm(flask_security.TwoFactorVerifyCodeForm):
    """A code of the authenticator app."""

    code = StringField(_l("Code"), [IsStringOrInt(), RequiredLocalize()], render_kw=_CODE)

    def validate(self, **kwargs: object) -> bool:
        """Check the code, unless too many have failed; setting up is not logging in."""
        if self.is_setup or self.user is None:
            return super().validate(**kwargs)
        return _prove(self, Proof.CODE, self.user.email, partial(super().validate, **kwargs))


class RecoveryForm(flask_security.MfRecoveryForm):
    """A recovery code in place of the app."""

    code = StringField(_l("Recovery code"), [IsString(), RequiredLocalize()])

    def validate(self, **kwargs: object) -> bool:
        """Check the code, unless too many have failed."""
        if self.user is None or not self.code.data:
            return super().validate(**kwargs)
        self.code.data = self.code.data.strip().lower()
        return _prove(self, Proof.CODE, self.user.email, partial(super().validate, **kwargs))


class RescueForm(flask_security.TwoFactorRescueForm):
    """What to do without the app: a recovery code. Flask-Security's other way needs mail."""

    help_setup = RadioField(_l("No access to your authenticator app?"), choices=[])


class PasskeyForm(flask_security.WebAuthnSigninResponseForm):
    """What a passkey answered."""

    def validate(self, **kwargs: object) -> bool:
        """Check the answer; Flask-Security notes that an account is disabled, and goes on."""
        is_right = super().validate(**kwargs) and not self.credential.errors
        if not is_right:
            named = self.user.email if self.user else ""
            _log_refusal("passkey refused", named)
        return is_right


class PasskeyNameForm(flask_security.WebAuthnRegisterForm):
    """What a new passkey is called, and what it is for."""

    name = StringField(_l("Name"), [IsString(), RequiredLocalize(message="WEBAUTHN_NAME_REQUIRED")])
    usage = RadioField(
        _l("What for?"),
        choices=[
            ("first", _l("To log in with it, without a password")),
            ("secondary", _l("To be asked for after the password")),
        ],
        default="first",
    )


class NewPasskeyForm(flask_security.WebAuthnRegisterResponseForm):
    """What the browser answered about a new passkey."""

    def validate(self, **kwargs: object) -> bool:
        """Check the answer; its note on extensions is shown later, so it must be as we expect."""
        if not super().validate(**kwargs):
            return False
        if not _is_note(self.extensions):
            self.credential.errors = [_("The browser's answer cannot be read")]
            return False
        return True


def _is_note(extensions: object) -> bool:
    """Tell whether the note on extensions is absent, or a JSON object of a sane length."""
    if extensions is None:
        return True
    if not isinstance(extensions, str) or len(extensions) > _LONGEST_NOTE:
        return False
    try:
        return isinstance(strict_json.loads(extensions.encode()), dict)
    except KuvertError:
        return False


def _prove(form: flask_security.Form, proof: Proof, email: str, check: Callable[[], bool]) -> bool:
    """Check who somebody is, unless too many have failed; count and log what fails."""
    address = request.remote_addr or ""
    now = utcnow()
    if not _count(form, proof, email, now):
        return False
    if check():
        insist(lambda connection: attempts.passed(connection, proof, email, address, now))
        return True
    _log_refusal(f"wrong {proof}", email)
    return False


def _count(
    form: flask_security.Form, proof: Proof, email: str, now: datetime | None = None
) -> bool:
    """Count a try; False, with the words in the form, where there were too many."""
    address, at = request.remote_addr or "", now or utcnow()
    wait = insist(lambda connection: attempts.begin(connection, proof, email, address, at))
    if wait is None:
        return True
    _log_refusal(_TOO_MANY[proof], email)
    after_this_request(partial(_too_soon, wait))
    form.form_errors.append(_words(proof, wait))
    return False


def _too_soon(wait: timedelta, response: Response) -> Response:
    response.status_code = HTTPStatus.TOO_MANY_REQUESTS
    response.headers["Retry-After"] = str(math.ceil(wait.total_seconds()))
    return response


def _words(proof: Proof, wait: timedelta) -> str:
    seconds = math.ceil(wait.total_seconds())
    if proof is Proof.LINK:
        return str(
            _("Too many links asked for. Try again in %(seconds)s seconds.", seconds=seconds)
        )
    if seconds <= _SHOWN_AS_SECONDS:
        return str(_("Too many failed logins. Try again in %(seconds)s seconds.", seconds=seconds))
    minutes = math.ceil(seconds / 60)
    return str(_("Too many failed logins. Try again in %(minutes)s minutes.", minutes=minutes))


def _log_refusal(why: str, email: str) -> None:
    logger.warning(
        "login refused",
        extra={
            "why": why,
            # Instead of an address people also type their password.
            "who": identity(email) or "no mail address",
            "address": request.remote_addr,
            "request_id": g.get("request_id"),
        },
    )
