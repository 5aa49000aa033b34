"""Who is calling. Keys are kept elsewhere; whoever keeps them registers how they are checked."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from flask import current_app, g, request

from core import actor, rates
from core.errors import ForbiddenError, UnauthenticatedError
from core.settings import Settings

Authenticate = Callable[[str], "Caller"]

_BEARER = re.compile(r"bearer +([!-~]+) *", re.IGNORECASE)
_KEY_IN_QUERY = re.compile(rb"kv_(live|test)_|(^|&)(api_?key|access_token)=", re.IGNORECASE)
_registered: list[Authenticate] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The source on whose behalf a request comes, and what its key allows.

    Empty `scopes` allow everything that a source may do. `environment` is `live` or `test`.
    """

    source_id: UUID
    source_name: str
    environment: str
    scopes: frozenset[str]
    key_prefix: str

    @property
    def name(self) -> str:
        """Return what histories and the audit call it; a source may have several keys."""
        return f"source {self.source_name}, key {self.key_prefix}"


def register(authenticate: Authenticate) -> None:
    """Have `authenticate` turn keys into callers; it raises `refused()` for one it does not take.

    The last one registered counts.
    """
    _registered[:] = [authenticate]


def refused() -> UnauthenticatedError:
    """Build the one answer for no key, a wrong one and one that was taken back (ASVS 6.3.8)."""
    return UnauthenticatedError(
        "Send a valid API key in the header: Authorization: Bearer kv_…",
        headers={"WWW-Authenticate": "Bearer"},
    )


def caller(scope: str | None = None) -> Caller:
    """Return who sends the current request; each route asks at its top.

    Raises:
        UnauthenticatedError: no key, or none that counts; a key in the query string.
        ForbiddenError: the key's scopes leave `scope` out.
        TooManyError: the key has made more calls this minute than it may.
    """
    if _KEY_IN_QUERY.search(request.query_string):
        # What stands in a URL ends up in logs and histories (ASVS 14.2.1).
        raise UnauthenticatedError(
            "Send the key in the Authorization header", headers={"WWW-Authenticate": "Bearer"}
        )
    match = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    if match is None:
        raise refused()
    found = _registered[0](match[1])
    g.caller = found
    settings: Settings = current_app.extensions["kuvert_settings"]
    rates.meter.take(found.key_prefix, settings.api_calls_per_minute)
    actor.act_as(found.name)
    if scope is not None and found.scopes and scope not in found.scopes:
        raise ForbiddenError(f"This key lacks the scope {scope}")
    return found
