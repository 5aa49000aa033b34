"""Login and what belongs to it: Flask-Security, set up for Kuvert.

Only the web process imports this. Requests under `/api` and `/callbacks` meet none of it.
"""

import base64
import hmac
import logging
from datetime import timedelta
from typing import Any

import flask_login
from flask import Flask, g, request, session
from flask_babel import lazy_gettext as _l
from flask_security import Security, SQLAlchemyUserDatastore
from flask_security.signals import user_authenticated
from sqlalchemy import bindparam, select
from werkzeug.middleware.proxy_fix import ProxyFix

from core import actor, csrf, security_headers, static_files, translations
from core.clock import utcnow
from core.db import db, is_writing, singly, unit_of_work, will_write
from core.errors import MediaTypeError
from core.pages import is_of_the_desk, is_without_session
from core.people import forms, mails, passwords, readers, recovery, second_factors, services
from core.people.models import Passkey, User
from core.people.roles import Role
from core.settings import Settings
from core.web import settings_of

logger = logging.getLogger("kuvert.login")

IDLE = timedelta(hours=12)
FRESH = timedelta(minutes=30)
FRESH_GRACE = timedelta(minutes=10)
AFTER_LOGIN = "/admin/"
COOKIE = "kuvert"
BLUEPRINT = "security"
# In our words; the rest is said well enough.
MESSAGES = {
    "GENERIC_AUTHN_FAILED": (_l("The mail address or the password is wrong."), "error"),
    "UNAUTHENTICATED": (_l("Please log in to see this page."), "info"),
    "REAUTHENTICATION_REQUIRED": (_l("Please confirm that it is you before you go on."), "info"),
    "REAUTHENTICATION_SUCCESSFUL": (_l("Thank you. Please go on."), "success"),
    "PASSWORD_CHANGE": (_l("Your password is changed."), "success"),
    "INVALID_PASSWORD": (_l("This is not your password."), "error"),
    "TWO_FACTOR_INVALID_TOKEN": (_l("This code is wrong, or was used already."), "error"),
    "TWO_FACTOR_CHANGE_METHOD_SUCCESSFUL": (_l("The authenticator app is set up."), "success"),
    "TWO_FACTOR_DISABLED": (_l("The authenticator app is turned off."), "success"),
    "TWO_FACTOR_PERMISSION_DENIED": (_l("Please log in with your password first."), "error"),
}
_BY_SESSION = select(User).where(User.fs_uniquifier == bindparam("key"))
_SAFE = frozenset({"GET", "HEAD"})
# What a session takes over when somebody logs in; all else is from before.
_KEPT = ("_user_id", "_fresh", "_id", "fs_paa")


def init_app(app: Flask) -> None:
    """Attach login, and what every page for staff needs, to `app`."""
    settings = settings_of(app)
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies
        )
    app.config.update(_session_options(settings), **_security_options(settings))
    translations.init_app(app, "en", settings.timezone.key)
    csrf.init_app(app)
    security_headers.init_app(app)
    static_files.init_app(app)
    security = _security()
    security.init_app(app)
    recovery.init_app(app, security, settings)
    _leave_requests_alone(app, security)
    app.before_request(_begin_page)
    user_authenticated.connect(_renew_session, app)
    flask_login.user_logged_in.connect(_name_newcomer, app)
    flask_login.user_logged_out.connect(_end_sessions, app)


class _Security(Security):
    """Flask-Security without nh3: it cleans the names of passkeys, which we do ourselves."""

    def _check_modules(self, module: str, config_name: str) -> object:
        return module == "nh3" or super()._check_modules(module, config_name)  # type: ignore[no-untyped-call]


class _Users(SQLAlchemyUserDatastore):
    """Flask-Security's users; whoever looks at a page is found in one statement.

    A transaction of the session would cost two more round trips, and stay open until the end.
    """

    def find_user(self, case_insensitive: bool = False, **kwargs: Any) -> Any:  # noqa: ANN401
        """Return the user with that value; by the id of a session without a transaction.

        Whoever only looks at a page of ours is a Reader.
        """
        key = kwargs.get("fs_uniquifier")
        if key is None or is_writing():
            return super().find_user(case_insensitive, **kwargs)
        if request.method in _SAFE and is_of_the_desk():
            return readers.find(key)
        return db.session.scalar(_BY_SESSION, {"key": key}, bind_arguments=singly())


def _security() -> Security:
    """Build the extension: with sessions alone, and pages alone."""
    # Roles are ranks in a column of the user; Flask-Security's own roles are not used.
    store = _Users(db, User, Role, Passkey)  # type: ignore[arg-type]
    security = _Security(
        datastore=store,
        login_form=forms.LoginForm,
        verify_form=forms.VerifyForm,
        change_password_form=forms.ChangePasswordForm,
        forgot_password_form=forms.ForgottenForm,
        reset_password_form=forms.RecoverForm,
        two_factor_verify_code_form=forms.CodeForm,
        two_factor_rescue_form=forms.RescueForm,
        mf_recovery_form=forms.RecoveryForm,
        wan_register_form=forms.PasskeyNameForm,
        wan_register_response_form=forms.NewPasskeyForm,
        wan_signin_response_form=forms.PasskeyForm,
        mail_util_cls=mails.Mails,
        password_util_cls=forms.Passwords,
        totp_cls=second_factors.Codes,
        webauthn_util_cls=second_factors.Passkeys,
    )
    security.want_json(lambda _: False)
    return security


def _session_options(settings: Settings) -> dict[str, object]:
    """Return how sessions are kept: in a signed cookie that ends when it is not used."""
    return {
        # The browser takes a cookie of this name from nobody but us, over TLS alone.
        "SESSION_COOKIE_NAME": f"__Host-{COOKIE}" if settings.is_https else COOKIE,
        "SESSION_COOKIE_SECURE": settings.is_https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_PATH": "/",
        "PERMANENT_SESSION_LIFETIME": IDLE,
    }


def _security_options(settings: Settings) -> dict[str, object]:
    options = {
        "POST_LOGIN_VIEW": AFTER_LOGIN,
        "POST_VERIFY_VIEW": AFTER_LOGIN,
        "POST_LOGOUT_VIEW": "/login",
        "LOGOUT_CSRF": True,
        "API_ENABLED_METHODS": ["session"],
        "CLI_USERS_NAME": None,
        "CLI_ROLES_NAME": None,
        "RETURN_GENERIC_RESPONSES": True,
        "USER_IDENTITY_ATTRIBUTES": [{"email": {"mapper": forms.identity}}],
        "JOIN_USER_ROLES": False,
        "DATETIME_FACTORY": utcnow,
        "TRACKABLE": True,
        "CHANGEABLE": True,
        "SEND_PASSWORD_CHANGE_EMAIL": False,
        "FRESHNESS": FRESH,
        "FRESHNESS_GRACE_PERIOD": FRESH_GRACE,
        **_password_options(settings),
        **recovery.options(settings),
        **_second_factor_options(settings),
    }
    said = {f"MSG_{name}": words for name, words in {**MESSAGES, **recovery.MESSAGES}.items()}
    return {f"SECURITY_{name}": value for name, value in {**options, **said}.items()}


def _password_options(settings: Settings) -> dict[str, object]:
    """Have passwords hashed as core/people/passwords.py does it."""
    return {
        "PASSWORD_HASH": "argon2",
        "PASSWORD_SCHEMES": ["argon2"],
        "PASSWORD_SINGLE_HASH": True,
        "PASSWORD_NORMALIZE_FORM": "NFKC",
        "PASSWORD_LENGTH_MIN": passwords.SHORTEST,
        "PASSWORD_HASH_PASSLIB_OPTIONS": {
            "argon2__type": "ID",
            "argon2__time_cost": passwords.TIME_COST,
            "argon2__memory_cost": settings.password_memory_mib * 1024,
            "argon2__parallelism": passwords.PARALLELISM,
        },
    }


def _second_factor_options(settings: Settings) -> dict[str, object]:
    """Offer authenticator apps, passkeys and recovery codes; nothing that needs mail or SMS."""
    return {
        "TWO_FACTOR": True,
        "TWO_FACTOR_ENABLED_METHODS": ["authenticator"],
        "TWO_FACTOR_RESCUE_EMAIL": False,
        "TWO_FACTOR_AUTHENTICATOR_VALIDITY": 30,
        "TOTP_SECRETS": {1: _derived(settings, "totp").decode()},
        "TOTP_ISSUER": "Kuvert",
        "MULTI_FACTOR_RECOVERY_CODES": True,
        "MULTI_FACTOR_RECOVERY_CODES_N": 10,
        "MULTI_FACTOR_RECOVERY_CODES_KEYS": [_derived(settings, "recovery codes")],
        "WEBAUTHN": True,
        "WAN_RP_NAME": "Kuvert",
        # With hints, anybody could ask which accounts have passkeys.
        "WAN_ALLOW_USER_HINTS": False,
    }


def _derived(settings: Settings, purpose: str) -> bytes:
    """Return a key of 32 bytes for `purpose`, as base64."""
    message = f"kuvert staff {purpose}".encode()
    return base64.urlsafe_b64encode(hmac.digest(settings.secret_key.encode(), message, "sha256"))


def _leave_requests_alone(app: Flask, security: Security) -> None:
    """Take off what would look for a user in every request, those of the API too.

    Our own guard (core/people/guards.py) asks who somebody is, where it matters.
    """
    app.before_request_funcs[None].remove(security.principal._on_before_request)  # noqa: SLF001
    app.after_request_funcs[None].remove(security.login_manager._update_remember_cookie)  # noqa: SLF001
    # Tokens of Flask-Security's own API; keys and sessions are the only ways in.
    security.login_manager.request_loader(lambda _: None)


def _begin_page() -> None:
    """Do what every page begins with; where keys count, nothing."""
    if request.method in _SAFE or is_without_session(request.environ):
        return
    csrf.check()
    if request.method == "POST":
        _prepare_form()


def _prepare_form() -> None:
    """Have a form's transaction begin as one that writes: it reads first, and then may not wait.

    Histories name who sent it; a page that is only looked at needs nobody.

    Raises:
        MediaTypeError: it is no form; Flask-Security would also read JSON.
    """
    if request.blueprint == BLUEPRINT and request.is_json:
        raise MediaTypeError("Send a form")
    will_write()
    user = flask_login.current_user
    if user.is_authenticated:
        actor.act_as(user.email)


def _name_newcomer(_: Flask, user: User, **__: object) -> None:
    actor.act_as(user.email)


def _renew_session(_: Flask, user: User, **__: object) -> None:
    """Begin a new session at login: nothing of the one before, its form token neither."""
    logger.info("logged in", extra={"who": user.email, "address": request.remote_addr})
    kept = {name: session[name] for name in _KEPT if name in session}
    session.clear()
    session.update(kept)
    session.permanent = True
    g.pop("csrf_token", None)


def _end_sessions(_: Flask, user: User, **__: object) -> None:
    """End somebody's sessions at logout: a cookie that was copied is worth nothing then."""
    if user.is_authenticated:
        with unit_of_work() as connection:
            services.end_sessions(connection, user.id)
