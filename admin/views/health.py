"""The page Health: what `manage.py doctor` says, for those who sit at the desk."""

from flask import current_app
from flask_admin import BaseView, expose

from admin.page import Page
from core.doctor import lately


class Health(Page, BaseView):
    """Whether everything is well, and what to do where it is not."""

    @expose("/")
    def index(self) -> str:
        """Show what was found, lately or now."""
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        return self.render("kuvert/admin/health.html", found=lately.findings(app))
