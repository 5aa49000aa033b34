"""The rows of a list as HTML.

A page has hundreds of cells. What is the same in all rows is made once, and each cell is a call of
a plain function; in a template it costs five times as much.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape
from sqlalchemy import Row

from admin import cells

Content = Callable[[Row[Any]], Any]
Column = tuple[str, str, Content]
"""What opens a cell, what closes it, and what gives its content, which is escaped here."""


def shown(
    view: object,
    formats: Mapping[str, cells.Cell],
    columns: Sequence[tuple[str, str]],
    names: Sequence[str],
    repeated: Collection[str] = (),
) -> list[Column]:
    """Return the cells of each row; `columns` are names and translated words.

    Rows have the columns `names`. Where the value alone says what a cell shows, and few values
    come again and again, the column is in `repeated`: each value is shown once.
    """
    found: list[Column] = []
    for name, words in columns:
        form = formats.get(name)
        content = _formatted(view, form, name) if form else _plain(names.index(name))
        if name in repeated:
            content = _once(content, names.index(name))
        found.append((f'<td data-label="{escape(words)}">', "</td>", content))
    return found


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


def _formatted(view: object, form: cells.Cell, name: str) -> Content:
    return lambda row: form(view, None, row, name)


def _plain(place: int) -> Content:
    """Take the value by its place: by its name it costs a mapping for each cell."""
    return lambda row: cells.plain(row[place])


def _once(content: Content, place: int) -> Content:
    """Show each value of the column at `place` once, and again what was shown."""
    known: dict[Any, Any] = {}

    def again(row: Row[Any]) -> Any:
        value = row[place]
        found = known.get(value)
        if found is None:
            found = known[value] = content(row)
        return found

    return again
