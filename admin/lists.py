"""Lists of rows: narrowed, sorted, paged by their address, and as a file."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import Any
from urllib.parse import urlencode

from flask import Response, abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_admin.model.base import ViewArgs
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import Row

from admin import cells, exports, filters, listing, table
from admin.access import holds
from admin.acts import Act
from admin.addresses import address_of
from admin.base import TableView
from admin.filters import Chosen, belonging, share_names
from core.clock import utcnow
from core.db import database, reading

LARGEST_PAGE_NUMBER = 18
"""Digits; a longer page number is the last page as well."""


class ListView(TableView):
    """The list of a table."""

    def _get_list_extra_args(self) -> ViewArgs:
        """Read the address of a list; what cannot be read is left out, and the page says so."""
        given: dict[str, str] = request.args.to_dict()
        ignored = []
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

    def _addresses(self, args: ViewArgs, size: int) -> Callable[..., str]:
        """Return what gives this list's address with other numbers; a page has several."""
        path = address_of(f"{self.endpoint}.index_view")
        numbers = {
            "page": args.page or None,
            "sort": args.sort,
            "desc": 1 if args.sort_desc else None,
            "page_size": size,
        }
        words = _words(args)
        return lambda **changed: _joined(path, words, {**numbers, **changed})

    def _export_path(self) -> str:
        return address_of(f"{self.endpoint}.export", export_type="csv")

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

    @expose("/")
    def index_view(self) -> str:
        """Show a page of the list."""
        args = self._get_list_extra_args()
        size = self.get_safe_page_size(args.page_size)
        column = self._get_column_by_idx(args.sort)
        order = self._sortable_columns.get(column[0]) if column else None
        wanted = self.wanted(self.column_list, args, order)
        with reading() as connection:
            count, page, rows = wanted.counted_page(connection, args.page, size)
            overview = self.overview(connection, wanted)
            chosen = [(item, item.options(connection)) for item in self.narrowed_by]
            told = belonging(connection, self.narrowed_by, self.references, args.extra_args)
            share_names(chosen, self.references)
            listing.learn_names(connection, self.references, rows)
        language = str(get_locale())
        heads = self._heads(language)
        many = [act for act in self.offered() if act.is_for_many]

        return self.render(
            self.list_template,
            args=args,
            address=self._addresses(args, size),
            page=page,
            num_pages=ceil(min(count, listing.LARGEST_COUNT) / size),
            count_words=_count_words(count),
            is_narrowed=bool(request.args.keys() - {"page", "page_size", "sort", "desc"}),
            bar=self._bar(args, chosen, language),
            belonging=told,
            list_columns=heads,
            sortable_columns=self._sortable_columns,
            export_url=_joined(self._export_path(), _words(args), {}),
            table_body=table.body(self._cells(heads, rows, has_ticks=bool(many)), rows),
            many=many,
            **overview,
        )

    def _bar(self, args: ViewArgs, chosen: Chosen, language: str) -> Markup:
        """Return the form that narrows the list.

        One that narrows nothing is made again when there is something else to choose from.
        """
        if not (chosen or self._search_supported):
            return Markup()
        key = request.script_root, language, bool(request.args)
        is_empty = not (args.search or args.extra_args)
        if is_empty and key in self._bars and self._bars[key][0] == chosen:
            return self._bars[key][1]
        html = render_template(
            "kuvert/admin/filter_bar.html",
            chosen=chosen,
            given=request.args,
            search=args.search,
            searchable=self._search_supported,
            clear_url=address_of(f"{self.endpoint}.index_view"),
        )
        found = Markup(html)  # noqa: S704 - our own template
        if is_empty:
            self._bars[key] = chosen, found
        return found

    def _heads(self, language: str) -> list[tuple[str, str]]:
        """Return columns and what they are called, translated once a process and language."""
        if language not in self._heads_by_language:
            found = [(name, str(words)) for name, words in self._list_columns]
            self._heads_by_language[language] = found
        return self._heads_by_language[language]

    def _cells(
        self, heads: list[tuple[str, str]], rows: Sequence[Row[Any]], *, has_ticks: bool
    ) -> list[table.Column]:
        """Return what each row of the list shows."""
        if not rows:
            return []
        names = rows[0]._fields
        found = table.shown(self, self.column_formatters, heads, names, self.repeated)
        if heads and heads[0][0] not in self.references:
            found[0] = table.linked(found[0], f"{address_of(f'{self.endpoint}.details_view')}?id=")
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


def _words(args: ViewArgs) -> str:
    """Return by which words a list is narrowed, as they stand in its address."""
    said = {**({"search": args.search} if args.search else {}), **args.extra_args}
    return urlencode(said) if said else ""


def _joined(path: str, words: str, numbers: Mapping[str, int | None]) -> str:
    parts = [f"{name}={number}" for name, number in numbers.items() if number is not None]
    if words:
        parts.append(words)
    return f"{path}?{'&'.join(parts)}" if parts else path


def _count_words(count: int) -> str:
    if count > listing.LARGEST_COUNT:
        return _(
            "more than %(count)s rows; narrow the list to see them all",
            count=f"{listing.LARGEST_COUNT:,}",
        )
    return ngettext("%(num)s row", "%(num)s rows", count)
