"""The desk: all views, the menu, and what every page is given."""

from collections.abc import Sequence
from typing import Any

from flask import Flask, g, request, url_for
from flask_admin import Admin
from flask_admin.base import BaseView
from flask_admin.theme import Bootstrap4Theme
from flask_babel import get_locale
from flask_babel import lazy_gettext as _l

from admin import cells
from admin.access import current_user
from admin.banners import Banner, banners
from admin.home import Home
from admin.views import every_view
from core.web import settings


def init_app(app: Flask) -> None:
    """Build the desk of `app`."""
    desk = Admin(
        app,
        name="Kuvert",
        index_view=Home(name=_l("Today"), endpoint="admin", url="/admin"),
        theme=Bootstrap4Theme(base_template="kuvert/admin/frame.html"),
    )
    for view in every_view():
        desk.add_view(view)
    app.context_processor(lambda: {"desk": _Page(desk), "cells": cells})


_addresses: dict[tuple[str, str], str] = {}


class _Page:
    """What the frame of a page shows; each part is looked up when the template asks for it."""

    def __init__(self, desk: Admin) -> None:
        self._desk = desk

    @property
    def menu(self) -> list[tuple[str, list[tuple[BaseView, str]]]]:
        """Return the pages that the person may open, by category."""
        found: dict[str, list[tuple[BaseView, str]]] = {}
        for view in self._views():
            if view.is_accessible() and view.is_visible():
                place = found.setdefault(str(view.category or ""), [])
                place.append((view, self._address(view)))
        return list(found.items())

    def _address(self, view: Any) -> str:
        """Return where a page is; it stays there, but behind a proxy with another root."""
        key = request.script_root, view.endpoint
        if key not in _addresses:
            _addresses[key] = url_for(f"{view.endpoint}.{view._default_view}")
        return _addresses[key]

    def _views(self) -> Sequence[Any]:
        return self._desk._views

    @property
    def environment(self) -> str:
        """Return the label of this installation."""
        return settings().environment

    @property
    def language(self) -> str:
        """Return the language of the page (BCP 47)."""
        return str(get_locale() or "en")

    @property
    def who(self) -> str:
        """Return who is logged in."""
        return str(current_user.email)

    @property
    def account_url(self) -> str:
        """Return the page of one's own account."""
        return url_for("security.change_password")

    @property
    def banners(self) -> list[Banner]:
        """Return what everybody has to know on every page, looked up once a request."""
        found: list[Banner] | None = g.get("kuvert_banners")
        if found is None:
            found = g.kuvert_banners = banners()
        return found
