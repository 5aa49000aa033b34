"""Set a sheet with typst: fenced in, and alike each time.

typst sees one folder, which holds the template and nothing else; the sheet comes as data and is
never read as markup. The template imports no package, so nothing is fetched. The time that a PDF
carries is that of the invoice.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

import typst

from core.errors import KuvertError

_FOLDER: Final = Path(__file__).with_name("template")
_TEMPLATE: Final = _FOLDER / "invoice.typ"


def typeset(sheet: Mapping[str, object], day: object) -> bytes:
    """Return the PDF of a sheet, dated `day` if that is one.

    Raises:
        KuvertError: typst cannot set it.
    """
    try:
        return typst.compile(
            _TEMPLATE,
            root=_FOLDER,
            package_path=_FOLDER,
            package_cache_path=_FOLDER,
            font_paths=_fonts(),
            sys_inputs={"sheet": json.dumps(sheet)},
            timestamp=_moment(day),
        )
    except typst.TypstError as error:
        raise KuvertError(f"typst cannot set this invoice: {error.message}") from error


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    """Return the fonts of this machine, looked up once a process."""
    return typst.Fonts()


def _moment(day: object) -> datetime:
    if isinstance(day, date):
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    return datetime(1990, 1, 1, tzinfo=UTC)
