"""Where providers call back."""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from callbacks import inbox
from callbacks.short_way import LARGEST, ROUTE
from core.bodies import read_body
from core.clock import utcnow
from core.db import reading

bp = Blueprint("callbacks", __name__)


@bp.post(ROUTE)
def receive(provider: str) -> ResponseReturnValue:
    """Store what a provider says; the signature is its authentication."""
    request.max_content_length = LARGEST
    body = read_body()
    with reading() as connection:
        sender = inbox.sender(connection, provider)
        headers = {name.lower(): value for name, value in request.headers.items()}
        stored = inbox.receive(connection, sender, headers, body, utcnow())
    return jsonify({"id": str(stored.id)}), 202 if stored.is_new else 200
