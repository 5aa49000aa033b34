"""Translations, which a page looks up by the hundred.

For each text Flask-Babel writes the locale out to find its catalogue. Here the one of the request
is at hand as long as its locale is the same. What templates call `_` is Jinja's newstyle gettext in
one call instead of ten.
"""

from typing import Any

from babel import Locale
from flask import Flask
from flask_babel import Babel, Domain, get_locale
from flask_babel import _get_current_context as babel_context
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup

CATALOGUE = "kuvert_catalogue"


class _Domain(Domain):  # type: ignore[misc] # Flask-Babel has no types
    """Flask-Babel's domain with a shorter way to a catalogue that was found."""

    def get_translations(self) -> Any:  # noqa: ANN401 - as above
        """Return the catalogue of the locale; outside of a request one that translates nothing."""
        context = babel_context()
        kept = {} if context is None else context.__dict__
        locale, catalogue = kept.get(CATALOGUE, (None, None))
        # `force_locale` and `refresh` put another locale there, or none.
        if locale is None or locale is not kept.get("babel_locale"):
            catalogue = super().get_translations()
            kept[CATALOGUE] = get_locale(), catalogue
        return catalogue


def init_app(app: Flask, locale: str, timezone: str) -> None:
    """Attach Flask-Babel to `app`."""
    own = Locale.parse(locale)
    babel = Babel(
        app, default_locale=locale, default_timezone=timezone, locale_selector=lambda: own
    )
    domain = _Domain(domain=app.extensions["babel"].default_domain)
    # It makes its own at the first text unless there is one.
    babel.__dict__["domain_instance"] = domain

    @pass_eval_context
    def translated(context: EvalContext, text: str, **values: object) -> str:
        found: str = domain.gettext(text)
        return (Markup(found) if context.autoescape else found) % values  # noqa: S704 - our own texts

    app.jinja_env.globals["_"] = translated
