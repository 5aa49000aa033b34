"""Who may open which page: every view, form, action and lookup is asked here, on the server."""

from flask import abort, current_app, g, request
from flask.typing import ResponseReturnValue
from flask_security import current_user

from core import actor
from core.editing import By
from core.people import guards
from core.people.roles import Role, may

__all__ = ["Role", "current_user", "holds", "refusal"]


def holds(role: Role | None) -> bool:
    """Tell whether the person at the screen holds `role`; None: nobody does."""
    if role is None:
        return False
    known: dict[Role, bool] = g.setdefault("kuvert_roles", {})
    if role not in known:
        known[role] = may(guards.user(), role)
    return known[role]


def refusal(role: Role | None) -> ResponseReturnValue | None:
    """Return the answer to somebody who may not open a page; None when he may.

    A page that exists for nobody is 404, one for others 403; who is not logged in is sent to do
    so, unless a script asks, which is told 401.
    """
    if role is None:
        abort(404)
    somebody = guards.user()
    if somebody is None:
        if request.method != "GET" or is_fragment():
            abort(401)
        answer: ResponseReturnValue = current_app.login_manager.unauthorized()  # type: ignore[attr-defined]
        return answer
    if not may(somebody, role):
        guards.note_refusal(somebody, role)
        abort(403, f"This needs the role {role}")
    return None


def stale(role: Role | None) -> ResponseReturnValue | None:
    """Return the answer to somebody who has to prove anew who they are; None when they need not.

    The way leads to the password and back here. A script is told 401: it then sends the form as
    the browser would, which can follow.
    """
    if role is None or guards.is_fresh():
        return None
    if is_fragment():
        abort(401)
    return guards.turned_away(role, fresh=True)


def is_fragment() -> bool:
    """Tell whether our script asks for a part of a page, to show it in a dialog."""
    return request.headers.get("X-Kuvert-Fragment") == "1"


def who() -> str:
    """Return how histories name the person at the screen."""
    return actor.current()


def by(comment: str | None = None) -> By:
    """Return who changes something, and why, as services take it."""
    return By(who(), comment)
