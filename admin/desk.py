"""The desk: all views, the menu, and what every page is given."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from flask import Flask, g, render_template, request
from flask_admin import Admin
from flask_admin.base import BaseView
from flask_admin.theme import Bootstrap4Theme
from flask_babel import get_locale
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from admin import cells
from admin.access import current_user
from admin.addresses import address_of
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
    kept: Kept = {}
    app.context_processor(lambda: {"desk": _Page(desk, kept), "cells": cells})


Kept = dict[tuple[str, ...], Markup]
"""Parts of pages that a process has made once, and what each depends on."""


class _Page:
    """What the frame of a page shows; each part is looked up when the template asks for it."""

    def __init__(self, desk: Admin, kept: Kept) -> None:
        self._desk = desk
        self._kept = kept

    @property
    def header(self) -> Markup:
        """Return the bar above the page, with who is logged in."""
        return self._once("header", (self.who,), dict)

    def menu(self, here: BaseView) -> Markup:
        """Return the pages that the person may open, by category, with the one that is open."""
        role = str(current_user.role)
        return self._once(
            "menu", (role, here.endpoint), lambda: {"pages": self._pages(), "here": here}
        )

    def _once(
        self, name: str, more: tuple[str, ...], values: Callable[[], dict[str, Any]]
    ) -> Markup:
        """Make a part of a page once a process; it depends on `more` and on nothing edited."""
        key = (name, request.script_root, self.language, *more)
        found = self._kept.get(key)
        if found is None:
            html = render_template(f"kuvert/admin/{name}.html", **values())
            found = self._kept[key] = Markup(html)  # noqa: S704 - our own template
        return found

    def _pages(self) -> list[tuple[str, list[tuple[BaseView, str, str]]]]:
        found: dict[str, list[tuple[BaseView, str, str]]] = {}
        for view in self._views():
            if view.is_accessible() and view.is_visible():
                place = found.setdefault(str(view.category or ""), [])
                address = self.to(f"{view.endpoint}.{view._default_view}")
                place.append((view, address, str(view.name)))
        return list(found.items())

    def to(self, endpoint: str) -> str:
        """Return the address of a page."""
        return address_of(endpoint)

    def file(self, name: str, endpoint: str = "static") -> str:
        """Return the address of a static file, with its version."""
        return address_of(endpoint, filename=name)

    def _views(self) -> Sequence[Any]:
        return self._desk._views

    @property
    def environment(self) -> str:
        """Return the label of this installation."""
        return settings().environment

    @cached_property
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
        return self.to("security.change_password")

    @property
    def banners(self) -> list[Banner]:
        """Return what everybody has to know on every page, looked up once a request."""
        found: list[Banner] | None = g.get("kuvert_banners")
        if found is None:
            found = g.kuvert_banners = banners()
        return found
