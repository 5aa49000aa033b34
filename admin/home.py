"""The start page: how many invoices are where, and whether everything is alive."""

from typing import Any

from flask.typing import ResponseReturnValue
from flask_admin import AdminIndexView, expose

from admin.access import Role, holds, refusal


class Home(AdminIndexView):
    """What staff look at in the morning."""

    def is_accessible(self) -> bool:
        """Everybody of staff may see it."""
        return holds(Role.VIEWER)

    def _handle_view(self, name: str, **kwargs: Any) -> ResponseReturnValue | None:  # noqa: ARG002
        return refusal(Role.VIEWER)

    @expose("/")
    def index(self) -> str:
        """Show the start page."""
        return self.render("kuvert/admin/home.html")
