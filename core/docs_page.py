"""`/openapi.json`, and `/docs`: the page that shows it, with everything served from here."""

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    render_template,
    request,
    send_from_directory,
)

from core import openapi
from core.app import PACKAGES
from core.settings import Settings

bp = Blueprint("docs", __name__)

ASSETS = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "LICENSE"})
DAY_SECONDS = 86_400

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
"""No script and no style but from files of ours; the data: images are the arrows of the page."""


@bp.get("/openapi.json")
def show_description() -> Response:
    """Give the description of the API."""
    answer = Response(_description(), content_type="application/json")
    answer.headers["Cache-Control"] = "no-cache"
    answer.set_etag(hashlib.sha256(_description()).hexdigest())
    answer.make_conditional(request)
    return answer


@bp.get("/docs")
def show_page() -> Response:
    """Show the page."""
    answer = Response(render_template("kuvert/docs.html"), content_type="text/html; charset=utf-8")
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


@bp.get("/docs/<name>")
def show_asset(name: str) -> Response:
    """Give one file of Swagger UI, out of the installed package."""
    if name not in ASSETS:
        abort(404)
    return send_from_directory(_folder(), name, max_age=DAY_SECONDS)


def _description() -> bytes:
    """Return the description as JSON, made at the first call."""
    kept = current_app.extensions.get("kuvert_openapi")
    if not isinstance(kept, bytes):
        settings: Settings = current_app.extensions["kuvert_settings"]
        described = openapi.operations(PACKAGES)
        kept = json.dumps(openapi.build(current_app, described, settings.public_url)).encode()
        current_app.extensions["kuvert_openapi"] = kept
    return kept


def _folder() -> Path:
    """Return where Swagger UI is; the package is only looked up, its code is not run."""
    found = find_spec("flask_swagger_ui")
    if found is None or found.origin is None:
        raise LookupError("flask-swagger-ui is not installed")
    return Path(found.origin).parent / "dist"
