"""The audit: who changed the configuration, and what it was before and after."""

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import ColumnElement, Connection, Row

from admin import cells, filters
from admin.access import Role
from admin.references import REFERENCES
from admin.view import DeskView
from core.audit import queries, watched
from core.audit.models import AuditEntry, Operation


class Actor(filters.Filter):
    """Somebody who has changed something."""

    kind = "choice"

    def options(self, connection: Connection) -> filters.Options:
        """Return everybody who is in the audit."""
        return [(name, name) for name in queries.actors(connection)]


class Kind(filters.OneOf):
    """A table that is audited."""

    def __init__(self, name: str, label: filters.Label) -> None:
        super().__init__(name, label, sorted(table.name for table in watched))


def _changed(view: object, context: object, row: Row[Any], name: str) -> Markup | str:  # noqa: ARG001
    """Name the columns that differ."""
    names = list({**row.before, **row.after})
    return ", ".join(name.replace("_", " ") for name in names) or cells.NOTHING


def _thing(view: Any, context: object, row: Row[Any], name: str) -> Markup | str:  # noqa: ARG001
    """Show what the row is called, as a link to everything that was done to it."""
    url = view.get_url(".index_view", kind=row.kind, row_id=row.row_id)
    return Markup('<a href="{}">{}</a>').format(url, row.label or row.row_id)


class Audit(DeskView):
    """Every change of what is configured, by whomever; entries stay as they are."""

    model = AuditEntry
    title_column = "label"
    columns = ("at", "actor", "operation", "kind", "label", "changed", "reason")
    more_columns = ("row_id", "before", "after")
    searched = ("label",)
    narrowed_by = (
        Actor("actor", _l("By")),
        Kind("kind", _l("Kind")),
        filters.OneOf("operation", _l("What was done"), Operation),
        filters.CreatedSince("at_from", _l("From")),
        filters.CreatedUntil("at_to", _l("to")),
        filters.Hidden("row_id", _l("Row")),
    )
    formats = {"operation": cells.badge, "changed": _changed, "label": _thing}
    details = ("at", "actor", "operation", "kind", "label", "row_id", "reason", "request_id")
    see_role = Role.ADMIN
    intro = _l(
        "The search looks at what a row is called, its id, the reason and the values before and"
        " after. Of secrets it is only written down that they changed."
    )
    empty = _l("Nobody has changed anything yet.")
    details_template = "kuvert/admin/audit.html"

    def called(self, row: Row[Any]) -> str:
        """Return how an entry is called in sentences."""
        return _("%(kind)s: %(label)s", kind=row.kind.replace("_", " "), label=row.label or "")

    def searching(self, words: str) -> list[ColumnElement[bool]]:
        """Look at the values as well, which no index has: the audit is small."""
        text = words.replace("\x00", "").strip()
        return [queries.mentions(text)] if text else []

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return both sides, and the page of the row where there is one."""
        names = {**row.before, **row.after}
        reference = REFERENCES.get(row.kind)
        return {
            "sides": [(name, row.before.get(name), row.after.get(name)) for name in names],
            "page": reference and self.get_url(f"{reference.endpoint}.details_view", id=row.row_id),
            "others": self.get_url(".index_view", kind=row.kind, row_id=row.row_id),
        }
