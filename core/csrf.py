"""Forms carry a token of their session, so that no other site can send them (CSRF).

Everything that changes something is checked, but for the paths where no cookie gives any right.
"""

from functools import lru_cache

from flask import Flask, Response, session
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf

from core import problems
from core.clock import utcnow

SLUG = "form-expired"
csrf = CSRFProtect()


def init_app(app: Flask) -> None:
    """Give templates their tokens; `check` looks at them."""
    # A form may stay open as long as the session lives.
    app.config.update(
        WTF_CSRF_TIME_LIMIT=int(app.permanent_session_lifetime.total_seconds()),
        WTF_CSRF_CHECK_DEFAULT=False,
        # The token is enough; there are browsers that leave the Referer out.
        WTF_CSRF_SSL_STRICT=False,
    )
    csrf.init_app(app)
    # Switched off just now, it would still cost each request of the API its microseconds.
    app.before_request_funcs[None].pop()
    app.template_context_processors[None].pop()
    app.jinja_env.globals["csrf_token"] = token
    app.register_error_handler(CSRFError, _expired)


def token() -> str:
    """Return the token for the forms of this session, signed once a minute."""
    own = session.get("csrf_token")
    minute = int(utcnow().timestamp()) // 60
    return str(generate_csrf()) if own is None else _signed(own, minute)


@lru_cache(maxsize=1000)
def _signed(own: str, minute: int) -> str:  # noqa: ARG001 - what makes it another
    """Sign the token that the session keeps; a page is shown more often than it ages."""
    return str(generate_csrf())


def check() -> None:
    """Refuse the current request when it changes something and brings no token of its session.

    Raises:
        CSRFError: answered as 400.
    """
    csrf.protect(apply_exemptions=True)


def _expired(error: CSRFError) -> Response:
    del error
    detail = _("Nothing was changed. Go back, reload the page and send the form again.")
    return problems.problem(400, detail, slug=SLUG, title=_("The form has expired; reload it"))
