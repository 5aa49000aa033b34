"""What staff see and do in the browser: Flask-Admin views over everything, on one base."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def init_app(app: "Flask") -> None:
    """Attach the pages of staff to `app`."""
    from admin import desk

    desk.init_app(app)
