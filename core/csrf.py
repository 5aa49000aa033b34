"""Forms carry a token of their session, so that no other site can send them (CSRF).

Everything that changes something is checked, but for the paths where no cookie gives any right.
"""

from flask import Flask, Response, request
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError, CSRFProtect

from core import problems
from core.pages import is_without_session

SLUG = "form-expired"
csrf = CSRFProtect()


def init_app(app: Flask) -> None:
    """Check every form that is sent to `app`."""
    # A form may stay open as long as the session lives; our hook looks, not the library's.
    app.config.update(
        WTF_CSRF_TIME_LIMIT=int(app.permanent_session_lifetime.total_seconds()),
        WTF_CSRF_CHECK_DEFAULT=False,
    )
    csrf.init_app(app)
    app.before_request(_check)
    app.register_error_handler(CSRFError, _expired)


def _check() -> None:
    if not is_without_session(request.environ):
        csrf.protect(apply_exemptions=True)


def _expired(error: CSRFError) -> Response:
    del error
    detail = _("Nothing was changed. Go back, reload the page and send the form again.")
    return problems.problem(400, detail, slug=SLUG, title=_("The form has expired; reload it"))
