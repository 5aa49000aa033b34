"""Headers that keep a page from doing, or having done to it, what it should not.

An answer that brings a Content-Security-Policy of its own (`/docs`) keeps it.
"""

import secrets
from collections.abc import Mapping

from flask import Flask, Response, g

from core.web import settings_of

_NONCE_BYTES = 16
HSTS = "max-age=31536000"

COMMON = {
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # A page shows what its reader may see; nothing on the way may keep it.
    "Cache-Control": "no-store",
}


def init_app(app: Flask) -> None:
    """Give every page of `app` its headers, and templates `csp_nonce()`."""
    headers = {**COMMON, **({"Strict-Transport-Security": HSTS} if _is_https(app) else {})}

    def protect(response: Response) -> Response:
        if response.headers.get("Content-Type", "").startswith("text/html"):
            _add(response, headers)
        return response

    app.after_request(protect)
    app.jinja_env.globals["csp_nonce"] = csp_nonce


def csp_nonce() -> str:
    """Return the nonce of the current request; scripts and styles of ours carry it."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(_NONCE_BYTES)
    return str(g.csp_nonce)


def allow_style_attributes() -> None:
    """Let the page that is answered show documents with styles in their tags, such as letters.

    A frame with such a document has the policy of the page around it. Nothing runs by this.
    """
    g.csp_styles = True


def policy(nonce: str) -> str:
    """Return the policy of a page: everything from here, nothing inline without `nonce`."""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}';"
        " img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self';"
        " frame-ancestors 'none'; base-uri 'none'"
    )


def _is_https(app: Flask) -> bool:
    return settings_of(app).is_https


def _add(response: Response, headers: Mapping[str, str]) -> None:
    there = {name.lower() for name, _ in response.headers}
    styles = "; style-src-attr 'unsafe-inline'" if g.get("csp_styles") else ""
    every = {**headers, "Content-Security-Policy": policy(csp_nonce()) + styles}
    for name, value in every.items():
        if name.lower() not in there:
            response.headers.add(name, value)
