"""Staff: who may log in, with which role, and how."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def init_app(app: "Flask") -> None:
    """Attach login and the pages around it to `app`."""
    from core.people import security

    security.init_app(app)
