"""`/metrics`, for Prometheus: who may read it, and what it answers."""

import hmac
import ipaddress

from flask import Blueprint, Response, current_app, request
from prometheus_client import CONTENT_TYPE_LATEST

from core.errors import UnauthenticatedError
from core.metrics.scrape import reader_of
from core.settings import Settings

bp = Blueprint("metrics", __name__)

_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


@bp.get("/metrics")
def show() -> Response:
    """Answer with all metrics, to whoever has the token, or asks from this machine itself."""
    settings: Settings = current_app.extensions["kuvert_settings"]
    _admit(settings.metrics_token)
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - documented
    text = reader_of(app).text()
    headers = {"Cache-Control": "no-store"}
    return Response(text, headers=headers, content_type=CONTENT_TYPE_LATEST)


def _admit(token: str | None) -> None:
    """Refuse who may not read: what waits, and how much money it is, is nobody else's business."""
    if token is None:
        if not _is_from_here():
            raise UnauthenticatedError(
                "Metrics are for this machine alone, unless KUVERT_METRICS_TOKEN is set",
                headers={"WWW-Authenticate": "Bearer"},
            )
    elif not hmac.compare_digest(_sent().encode(), token.encode()):
        raise UnauthenticatedError(
            "Send the token in the header: Authorization: Bearer …",
            headers={"WWW-Authenticate": "Bearer"},
        )


def _sent() -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _is_from_here() -> bool:
    """Tell whether a program of this machine asks, and not a proxy on it for somebody else.

    A proxy says so, or passes on by which name it was called.
    """
    host = request.host.rpartition(":")[0] or request.host
    is_named_here = host == "localhost" or _is_loopback(host.strip("[]"))
    is_forwarded = any(name in request.headers for name in _FORWARDED)
    return _is_loopback(request.remote_addr or "") and is_named_here and not is_forwarded


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
