"""The rows of a list as HTML.

A page has hundreds of cells. What is the same in all rows is made once, and each cell is a call of
a plain function; in a template it costs five times as much.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape
from sqlalchemy import Row

from admin import cells

Column = tuple[str, str, Callable[[Row[Any]], Any]]
"""What opens a cell, what closes it, and what gives its content, which is escaped here."""


def shown(
    view: object,
    formats: Mapping[str, cells.Cell],
    columns: Sequence[tuple[str, str]],
    names: Sequence[str],
) -> list[Column]:
    """Return the cells of each row; `columns` are names and translated words.

    Rows have the columns `names`.
    """
    return [
        (
            f'<td data-label="{escape(words)}">',
            "</td>",
            _formatted(view, formats[name], name) if name in formats else _plain(names.index(name)),
        )
        for name, words in columns
    ]


def linked(column: Column, page_of: str) -> Column:
    """Let a cell lead to the page of its row: `page_of` and the id."""
    opening, closing, content = column
    start = f'{opening}<a href="{escape(page_of)}'

    def link(row: Row[Any]) -> Markup:
        return Markup(f'{row.id}">{escape(content(row))}')  # noqa: S704 - an id, and escaped

    return start, f"</a>{closing}", link


def ticked(words: str, called: Callable[[Row[Any]], str]) -> Column:
    """Return a cell with a box to tick, which belongs to the form of the acts."""
    start = '<td class="tick"><input type="checkbox" name="rowid" value="'
    label = f'" form="acts" aria-label="{escape(words)} '

    def box(row: Row[Any]) -> Markup:
        return Markup(f"{row.id}{label}{escape(called(row))}")  # noqa: S704 - as above

    return start, '"></td>', box


def body(columns: Sequence[Column], rows: Sequence[Row[Any]]) -> Markup:
    """Return the lines of `rows`."""
    lines: list[str] = []
    for row in rows:
        lines.append("<tr>")
        for opening, closing, content in columns:
            cell = content(row)
            # `escape` would make each piece of HTML anew.
            lines += (opening, cell if type(cell) is Markup else escape(cell), closing)
        lines.append("</tr>\n")
    return Markup("".join(lines))  # noqa: S704 - each part was escaped


def _formatted(view: object, form: cells.Cell, name: str) -> Callable[[Row[Any]], Any]:
    return lambda row: form(view, None, row, name)


def _plain(place: int) -> Callable[[Row[Any]], Any]:
    """Take the value by its place: by its name it costs a mapping for each cell."""
    return lambda row: cells.plain(row[place])
