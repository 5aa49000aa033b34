"""Billing systems and providers."""

from typing import ClassVar

from admin import cells
from admin.view import DeskView
from invoices.models import Provider


class Providers(DeskView):
    """Who delivers for us."""

    model = Provider
    title_column = "code"
    columns = ("code", "channel", "state", "is_idempotent", "alarm", "created_at")
    formats: ClassVar = {"state": cells.badge}
    searched = ("code",)
