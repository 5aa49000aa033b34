"""What all pages over tables have in common: who may, and what Flask-Admin asks of a backend."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from flask import abort
from flask.typing import ResponseReturnValue
from flask_admin.model import BaseModelView
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import ColumnElement, Connection, Date, LargeBinary, Row, Table, select
from wtforms import Form

from admin import cells, filters, listing
from admin.access import Role, holds, refusal, stale
from admin.acts import Act
from admin.addresses import address_of
from admin.forms import AdminForm
from admin.labels import label
from admin.references import REFERENCES
from admin.reports import Made
from core import secret_columns
from core.db import reading
from core.models import Base

FORMS = frozenset({"create_view", "edit_view", "delete_view"})
"""The pages by which rows are changed, as Flask-Admin calls them."""


class TableView(BaseModelView):
    """A page over one table. It gives Flask-Admin its rows by statements of our own.

    Flask-Admin's backend for SQLAlchemy derives forms from tables, counts every row and lets the
    last of two editors win; this one does none of that.
    """

    model: type[Base]
    title_column = "id"
    columns: ClassVar[Sequence[str]] = ()
    details: ClassVar[Sequence[str]] = ()
    hidden: ClassVar[frozenset[str]] = frozenset()
    refers: ClassVar[Mapping[str, str]] = {}
    """Columns that hold ids of another table without a foreign key, and that table."""
    more_columns: ClassVar[Sequence[str]] = ()
    sortable: ClassVar[Sequence[str | tuple[str, str]]] = ()
    searched: ClassVar[Sequence[str]] = ()
    narrowed_by: ClassVar[Sequence[filters.Filter]] = ()
    formats: ClassVar[Mapping[str, cells.Cell]] = {}
    acts: ClassVar[Sequence[Act]] = ()
    has_bulk = False
    """Whether acts can be done to all rows of the list, in the background."""
    create_words = _l("Add")
    """What the button to the form of a new row says, and its heading."""
    save_words = _l("Save")
    """What the button of that form says."""
    intro = ""
    empty = ""

    see_role: Role | None = Role.VIEWER
    create_role: Role | None = None
    edit_role: Role | None = None
    remove_role: Role | None = None
    needs_fresh = False
    """Whether its forms ask for the password again where it was given too long ago."""

    form: type[Form] = AdminForm
    edit_form_class: type[Form] | None = None

    list_template = "kuvert/admin/list.html"
    details_template = "kuvert/admin/details.html"
    create_template = "kuvert/admin/form.html"
    edit_template = "kuvert/admin/form.html"
    confirm_template = "kuvert/admin/confirm.html"
    report_template = "kuvert/admin/report.html"
    can_view_details = True
    can_export = True
    can_set_page_size = True
    page_size = 20
    page_size_options = (20, 50, 100)
    form_base_class = AdminForm

    def __init__(self, name: Any, endpoint: str, category: Any = None) -> None:
        self.table: Table = self.model.__table__
        self._refuse_secrets()
        self.references = {
            column.name: REFERENCES[key.column.table.name]
            for column in self.table.columns
            for key in column.foreign_keys
            if key.column.table.name in REFERENCES
        }
        self.references |= {name: REFERENCES[table] for name, table in self.refers.items()}
        self._heads_by_language: dict[str, list[tuple[str, str]]] = {}
        self._bars: dict[tuple[str, str, bool], tuple[filters.Chosen, Markup]] = {}
        self.column_list = tuple(self.columns)
        self.column_details_list = tuple(self.details) or self._detail_columns()
        self.column_sortable_list = tuple(self.sortable)
        linked = dict.fromkeys(self.references, _reference)
        self.column_formatters = {**linked, **self.formats}
        self.column_formatters_detail = {**linked, **self.formats}
        self.repeated = self._repeated()
        super().__init__(self.model, name=name, endpoint=endpoint, category=category)

    def before(self, form: Any) -> None:
        """Ask somebody outside about what was entered, with no transaction open."""

    def create(self, connection: Connection, form: Any) -> UUID | Made:
        """Make a row by a service; return its id, or that and what is shown of it this once."""
        raise NotImplementedError

    def change(self, connection: Connection, row: Row[Any], form: Any) -> object:
        """Change `row` by a service."""
        raise NotImplementedError

    def remove(self, connection: Connection, row: Row[Any]) -> object:
        """Remove `row` by a service."""
        raise NotImplementedError

    def is_removable(self, row: Row[Any]) -> bool:  # noqa: ARG002
        """Tell whether a row can be removed at all; the page offers it only then."""
        return True

    def is_editable(self, row: Row[Any]) -> bool:  # noqa: ARG002
        """Tell whether a row can be changed at all, or stays as it is now."""
        return True

    def clauses(self) -> list[Any]:
        """Return what every row of this page fulfils."""
        return []

    def searching(self, words: str) -> list[ColumnElement[bool]]:
        """Return what rows fulfil in which `words` are found."""
        return listing.searching(self.table, self.searched, words)

    def overview(self, connection: Connection, wanted: listing.Wanted) -> dict[str, Any]:  # noqa: ARG002
        """Return what the list shows beside its rows, for its template."""
        return {}

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return what the page of one row shows beside its columns, for its template.

        Every page knows `badge` (beside its title), `notes` (kind and sentence, above all),
        `facts` (words and values, after the columns) and `related` (tables, at the end).
        """
        return {}

    @property
    def withheld(self) -> frozenset[str]:
        """Return the columns that no page shows: secrets, and those that the view hides."""
        return self.hidden | secret_columns.of(self.table)

    @property
    def can_create(self) -> bool:
        """Tell whether the person at the screen may add rows."""
        return holds(self.create_role)

    @property
    def can_edit(self) -> bool:
        """Tell whether the person at the screen may change rows."""
        return holds(self.edit_role)

    @property
    def can_delete(self) -> bool:
        """Tell whether the person at the screen may remove rows."""
        return holds(self.remove_role)

    def is_accessible(self) -> bool:
        """Tell whether the page is in the menu."""
        return holds(self.see_role)

    def role_for(self, name: str) -> Role | None:
        """Return the role that a page needs; acts look at their own besides."""
        own = {
            "create_view": self.create_role,
            "edit_view": self.edit_role,
            "delete_view": self.remove_role,
            "ajax_update": None,
            "ajax_lookup": None,
        }
        return own.get(name, self.see_role)

    def _handle_view(self, name: str, **kwargs: Any) -> ResponseReturnValue | None:  # noqa: ARG002
        role = self.role_for(name)
        refused = refusal(role)
        if refused is not None or not (self.needs_fresh and name in FORMS):
            return refused
        return stale(role)

    def _run_view(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        # Flask-Admin tries again after a TypeError, which would hide ours.
        return fn(self, *args, **kwargs)

    def get_pk_value(self, model: Row[Any]) -> str:
        """Return the id of a row as it stands in addresses."""
        return str(model.id)

    def scaffold_list_columns(self) -> list[str]:
        """Return the columns where a view names none."""
        return [column.name for column in self.table.columns if column.name not in self.withheld]

    def scaffold_sortable_columns(self) -> dict[str, str]:
        """Nothing can be sorted by that was not named: it has to have an index."""
        return {}

    def scaffold_form(self) -> type[Form]:
        """Forms are written, never derived from a table."""
        return self.form

    def init_search(self) -> bool:
        """Tell whether there is a search."""
        return bool(self.searched)

    def scaffold_filters(self, name: str) -> list[Any]:  # noqa: ARG002
        """Filters are ours (admin.filters)."""
        return []

    def get_column_name(self, field: str) -> str:
        """Return what a column is called."""
        return str(label(field))

    def get_list_columns(self) -> list[tuple[str, Any]]:
        """Return columns and what they are called, which is translated when it is shown."""
        return [(name, label(name)) for name in self.column_list]

    def get_details_columns(self) -> list[tuple[str, Any]]:
        """Return the same for the page of one row."""
        return [(name, label(name)) for name in self.column_details_list]

    def get_list_row_actions(self) -> list[Any]:
        """Rows have acts of ours instead."""
        return []

    def get_edit_form(self) -> type[Form]:
        """Return the form for changes."""
        return self.edit_form_class or self.form

    def _get_field_value(self, model: Row[Any], name: str) -> Any:
        return model._mapping.get(name)

    def _get_list_value(
        self, context: Any, model: Row[Any], name: str, column_formatters: Any, *_types: Any
    ) -> Any:
        formatter = column_formatters.get(name)
        if formatter is not None:
            return formatter(self, context, model, name)
        return cells.plain(self._get_field_value(model, name))

    def get_one(self, id: Any) -> Row[Any]:  # noqa: A002
        """Return the row with an id; what is no id is answered like an id of nothing."""
        try:
            key = UUID(str(id[0] if isinstance(id, list) else id))
        except (ValueError, IndexError):
            abort(404)
        names = dict.fromkeys(
            ["id", "version", *self.column_details_list, *self.more_columns, self.title_column]
        )
        columns = [self.table.c[name] for name in names if name in self.table.c]
        with reading() as connection:
            row = connection.execute(
                select(*columns).where(self.table.c.id == key, *self.clauses())
            ).first()
            if row is None:
                abort(404)
            listing.learn_names(connection, self.references, [row])
        return row

    def called(self, row: Row[Any]) -> str:
        """Return how a row is called in sentences."""
        return str(row._mapping.get(self.title_column) or row.id)

    def _refuse_secrets(self) -> None:
        """Refuse a view that would show, or search or sort by, what must not leave the database.

        Raises:
            ValueError: naming the columns.
        """
        ordered = (name if isinstance(name, str) else name[1] for name in self.sortable)
        narrowed = (one.column for one in self.narrowed_by)
        shown = {*self.columns, *self.details, *self.more_columns, *self.searched, *self.formats}
        secret = secret_columns.of(self.table) & {*shown, *ordered, *narrowed, self.title_column}
        if secret:
            raise ValueError(f"{self.table.name}: {', '.join(sorted(secret))} must not be shown")

    def _repeated(self) -> frozenset[str]:
        """Return the columns whose value alone says what is shown, the same in many rows."""
        alike = (_reference, cells.badge)
        shown = {name for name, form in self.column_formatters.items() if form in alike}
        days = {column.name for column in self.table.columns if isinstance(column.type, Date)}
        return frozenset(shown | (days - self.column_formatters.keys()))

    def _detail_columns(self) -> tuple[str, ...]:
        return tuple(
            column.name
            for column in self.table.columns
            if column.name not in self.withheld and not isinstance(column.type, LargeBinary)
        )


def _reference(view: TableView, context: object, row: Row[Any], name: str) -> Markup:  # noqa: ARG001
    """Show what an id stands for, as a link to it."""
    value = row._mapping[name]
    if value is None:
        return cells.NOTHING
    reference = view.references[name]
    shown = listing.name_of(reference, value, listing.names_here())
    page = address_of(f"{reference.endpoint}.details_view")
    return cells.link(f"{page}?id={value}", shown)
