"""Addresses of pages and files, made once a process: making one takes as long as reading a row."""

from typing import Any

from flask import current_app, request, url_for

KEPT = "kuvert_addresses"


def address_of(endpoint: str, **values: Any) -> str:
    """Return the address of a page or file; `values` are few, such as the names of our files.

    An address stays where it is, but behind a proxy with another root.
    """
    known: dict[tuple[object, ...], str] = current_app.extensions.setdefault(KEPT, {})
    key = request.script_root, endpoint, *values.items()
    found = known.get(key)
    if found is None:
        found = known[key] = url_for(endpoint, **values)
    return found


def way_back() -> str | None:
    """Return the page that a request wants to lead back to, where that is a path of ours.

    `http:/evil.example` would pass for one of ours by its parts, and leave the site as a redirect.
    """
    given = request.values.get("url", "")
    is_path = given.startswith("/") and not given.startswith(("//", "/\\"))
    return given if is_path and given.isprintable() else None
