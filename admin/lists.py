"""Lists of rows: narrowed, sorted, paged by their address, and as a file."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from flask import Response, abort, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_admin.model.base import ViewArgs
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _
from sqlalchemy import Row

from admin import cells, exports, filters, listing, table
from admin.access import holds
from admin.acts import Act
from admin.base import TableView, address_of
from admin.filters import share_names
from core.clock import utcnow
from core.db import database, reading

LARGEST_PAGE_NUMBER = 18
"""Digits; a longer page number is the last page as well."""


class ListView(TableView):
    """The list of a table."""

    def _get_list_extra_args(self) -> ViewArgs:
        """Read the address of a list; what cannot be read is left out, and the page says so."""
        given, ignored = request.args, []
        known = {"page", "page_size", "sort", "desc", "search", "url"}
        names = {item.name for item in self.narrowed_by}
        sort = _number(given.get("sort"))
        if given.get("sort") and not self._is_sortable(sort):
            sort = None
            ignored.append(_("This list cannot be sorted by that."))
        if "\x00" in given.get("search", ""):
            ignored.append(_("The search had a character that no text has."))
        unknown = [name for name in given if name not in known and name not in names]
        if unknown:
            ignored.append(_("Unknown in this address: %(names)s", names=", ".join(unknown)[:80]))
        self._template_args["ignored"] = ignored
        return ViewArgs(
            page=_number(given.get("page")) or 0,
            page_size=_number(given.get("page_size")) or 0,
            sort=sort,
            sort_desc=given.get("desc") == "1",
            search=given.get("search", "").replace("\x00", "")[: listing.LONGEST_SEARCH],
            extra_args={name: given[name] for name in names if given.get(name)},
        )

    def _get_list_url(self, view_args: ViewArgs) -> str:
        """Return this list's address with other arguments; a page has one for each column."""
        asked = {
            "page": view_args.page or None,
            "sort": view_args.sort,
            "desc": 1 if view_args.sort_desc else None,
            "search": view_args.search,
            **view_args.extra_args,
            "page_size": self.get_safe_page_size(view_args.page_size),
        }
        said = {name: value for name, value in asked.items() if value not in {None, ""}}
        return f"{address_of(f'{self.endpoint}.index_view')}?{urlencode(said)}"

    def _is_sortable(self, index: int | None) -> bool:
        found = self._get_column_by_idx(index)
        return found is not None and found[0] in self._sortable_columns

    def wanted(
        self, columns: Iterable[str], args: ViewArgs, order: str | None = None
    ) -> listing.Wanted:
        """Return what the address of a list asks for."""
        clauses, ignored = filters.read(self.narrowed_by, self.table, args.extra_args)
        self._template_args.setdefault("ignored", []).extend(ignored)
        found = self.searching(args.search or "")
        asked = [name for name in (*columns, *self.more_columns) if name in self.table.c]
        return listing.Wanted(
            table=self.table,
            columns=tuple(dict.fromkeys(["id", *asked])),
            clauses=(*self.clauses(), *clauses, *found),
            order=order or "id",
            is_down=args.sort_desc if order else True,
        )

    def get_list(
        self,
        page: int,
        sort_column: str | None,
        sort_desc: bool,  # noqa: ARG002
        search: str | None,  # noqa: ARG002
        filters: Any,  # noqa: ARG002
        page_size: int,
    ) -> tuple[int, list[Row[Any]]]:
        """Return the number of rows, which ends at LARGEST_COUNT, and one page of them."""
        order = self._sortable_columns.get(sort_column)
        wanted = self.wanted(self.column_list, self._get_list_extra_args(), order)
        with reading() as connection:
            count, page, rows = wanted.counted_page(connection, page, page_size)
            overview = self.overview(connection, wanted)
            chosen = [(item, item.options(connection)) for item in self.narrowed_by]
            share_names(chosen, self.references)
            listing.learn_names(connection, self.references, rows)
        heads = self._heads()
        many = [act for act in self.offered() if act.is_for_many]
        self._template_args.update(
            page=page,
            count_words=_count_words(count),
            is_narrowed=bool(request.args.keys() - {"page", "page_size", "sort", "desc"}),
            bar=chosen,
            list_columns=heads,
            table_body=table.body(self._cells(heads, rows, has_ticks=bool(many)), rows),
            many=many,
            **overview,
        )
        return min(count, listing.LARGEST_COUNT), rows

    def _heads(self) -> list[tuple[str, str]]:
        """Return columns and what they are called, translated once a process and language."""
        language = str(get_locale() or "")
        if language not in self._heads_by_language:
            found = [(name, str(words)) for name, words in self._list_columns]
            self._heads_by_language[language] = found
        return self._heads_by_language[language]

    def _cells(
        self, heads: list[tuple[str, str]], rows: list[Row[Any]], *, has_ticks: bool
    ) -> list[table.Column]:
        """Return what each row of the list shows."""
        if not rows:
            return []
        found = table.shown(self, self.column_formatters, heads, rows[0]._fields)
        if heads and heads[0][0] not in self.references:
            found[0] = table.linked(found[0], self.get_url(".details_view") + "?id=")
        return [table.ticked(_("Tick"), self.called), *found] if has_ticks else found

    def offered(self) -> list[Act]:
        """Return the acts that the person at the screen may do."""
        return [act for act in self.acts if holds(act.role)]

    @expose("/export/<export_type>/")
    def export(self, export_type: str) -> ResponseReturnValue:
        """Give the list, as it is narrowed, as a file."""
        if export_type != "csv" or not self.can_export:
            abort(404)
        heads = self.export_columns()
        wanted = self.wanted(heads, self._get_list_extra_args())
        lines = exports.csv_of(wanted, heads, self.references, database().single)
        answer = Response(lines, content_type="text/csv; charset=utf-8")
        name = exports.file_name(self.endpoint, utcnow().astimezone(cells.zone()))
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def export_columns(self) -> list[str]:
        """Return the columns of an export: those of the list and of a row's page, secrets never."""
        names = dict.fromkeys(
            ["id", *self.column_list, *self.column_details_list, *self.more_columns]
        )
        return [name for name in names if name in self.table.c and name not in self.withheld]


def _number(text: str | None) -> int | None:
    """Read a whole number of an address; None for what is none."""
    if not text or not text.isascii() or not text.isdecimal():
        return None
    return int(text[:LARGEST_PAGE_NUMBER])


def _count_words(count: int) -> str:
    if count > listing.LARGEST_COUNT:
        return _(
            "more than %(count)s rows; narrow the list to see them all",
            count=f"{listing.LARGEST_COUNT:,}",
        )
    return ngettext("%(num)s row", "%(num)s rows", count)
