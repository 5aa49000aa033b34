"""Files of the pages are asked for once: their address changes when they do."""

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, request

YEAR_SECONDS = 31_536_000


def init_app(app: Flask) -> None:
    """Give the addresses of static files a version, and let browsers keep what has one."""
    app.url_defaults(_add_version)
    app.after_request(_keep)


def _add_version(endpoint: str, values: dict[str, Any]) -> None:
    if not _is_static(endpoint) or "v" in values:
        return
    owner = current_app.blueprints[endpoint.partition(".")[0]] if "." in endpoint else current_app
    if owner.static_folder:
        values["v"] = version(str(Path(owner.static_folder) / values["filename"]))


@lru_cache(maxsize=500)
def version(path: str) -> str:
    """Return a few letters that stand for what a file holds; it is read once a process.

    Raises:
        FileNotFoundError: a page names a file that is not there.
    """
    return sha256(Path(path).read_bytes()).hexdigest()[:10]


def _keep(response: Response) -> Response:
    if "v" in request.args and _is_static(request.endpoint or ""):
        response.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable"
    return response


def _is_static(endpoint: str) -> bool:
    return endpoint == "static" or endpoint.endswith(".static")
