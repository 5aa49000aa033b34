"""Who may see a page or do something: asked at the top of each view.

    @guards.needs(Role.OPERATOR)
    def pause(): ...

sends whoever is not logged in to the login, and refuses with 403 who lacks the role. `fresh=True`
also asks for the password again where it was given too long ago.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from flask import Response, current_app, flash, g, request, url_for
from flask import redirect as found_at
from flask_babel import gettext as _
from flask_login import current_user
from flask_security import check_and_update_authn_fresh

from core import pages
from core.errors import ForbiddenError, UnauthenticatedError
from core.people.models import User
from core.people.readers import Reader
from core.people.roles import Role, may

logger = logging.getLogger("kuvert.access")

Given = ParamSpec("Given")
Answer = TypeVar("Answer")
_SAFE = frozenset({"GET", "HEAD"})


def user() -> User | Reader | None:
    """Return who is logged in; None when nobody is, or the session has ended."""
    found = current_user._get_current_object()  # noqa: SLF001 - as werkzeug documents it
    return found if isinstance(found, User | Reader) and found.is_active else None


def turned_away(role: Role, *, fresh: bool = False) -> Response | None:
    """Return the answer to whoever may not go on here; None: go on.

    Raises:
        ForbiddenError: the user lacks `role`; logged with who and what.
        UnauthenticatedError: nobody is logged in, and the caller is a script of a page.
    """
    somebody = user()
    if somebody is None:
        return _to("security.login", _("Please log in to see this page."))
    if not may(somebody, role):
        note_refusal(somebody, role)
        raise ForbiddenError(
            _("This needs the role %(role)s; yours is %(own)s.", role=role, own=somebody.role)
        )
    if fresh and not is_fresh():
        return _to("security.verify", _("Please confirm that it is you before you go on."))
    return None


def needs(
    role: Role, *, fresh: bool = False
) -> Callable[[Callable[Given, Answer]], Callable[Given, Answer | Response]]:
    """Let only users with `role` into a view; with `fresh`, who proved lately who they are."""

    def guard(view: Callable[Given, Answer]) -> Callable[Given, Answer | Response]:
        @wraps(view)
        def guarded(*args: Given.args, **kwargs: Given.kwargs) -> Answer | Response:
            return turned_away(role, fresh=fresh) or view(*args, **kwargs)

        return guarded

    return guard


def is_fresh() -> bool:
    """Tell whether the user proved lately who they are; if so, that holds on for a while."""
    config = current_app.config
    # Loading the user notes when that was.
    return user() is not None and check_and_update_authn_fresh(
        config["SECURITY_FRESHNESS"], config["SECURITY_FRESHNESS_GRACE_PERIOD"], "session"
    )


def note_refusal(somebody: User | Reader, role: Role) -> None:
    """Log who was refused what."""
    extra = {
        "who": somebody.email,
        "role": somebody.role,
        "needed": str(role),
        "method": request.method,
        "route": request.url_rule.rule if request.url_rule else "none",
        "address": request.remote_addr,
        "request_id": g.get("request_id"),
    }
    logger.warning("not allowed", extra=extra)


def _to(endpoint: str, why: str) -> Response:
    """Send the browser to a page of ours, and back here afterwards."""
    if not pages.is_asked_for():
        raise UnauthenticatedError(why)
    flash(why, "info")
    answer = found_at(url_for(endpoint, next=_back()))
    return current_app.make_response(answer)


def _back() -> str:
    """Return where to go on: here; or where the form was, which cannot be sent by itself."""
    if request.method in _SAFE:
        return request.full_path.rstrip("?")
    from_us = urlsplit(request.referrer or "")
    if from_us.netloc != request.host:
        return str(current_app.config["SECURITY_POST_LOGIN_VIEW"])
    return from_us._replace(scheme="", netloc="", fragment="").geturl()
