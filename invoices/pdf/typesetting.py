"""Set a sheet with typst: fenced in, and alike each time.

typst sees one folder, which holds the template and nothing else; the sheet comes as data and is
never read as markup. The template imports no package, so nothing is fetched. The time that a PDF
carries is that of the invoice.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import typst

from core.errors import InputError, KuvertError

_FOLDER: Final = Path(__file__).with_name("template")
_TEMPLATE: Final = _FOLDER / "invoice.typ"
_STANDARD: Final[Literal["a-2u"]] = "a-2u"
# Half a gigabyte and three seconds of a processor; a worker shall survive whatever comes.
_HEAVIEST: Final = 1_500_000
# The tags of a table with thousands of rows are ten times as large as all the rest.
_HEAVIEST_TAGGED: Final = 150_000
_LINE_WEIGHT: Final = 20
_NO_FONT: Final = "could not be displayed"

logger = logging.getLogger(__name__)


def typeset(sheet: Mapping[str, object], day: object) -> bytes:
    """Return the PDF of a sheet, dated `day` if that is one.

    It is a PDF/A-2u (ISO 19005-2), made to be kept, unless there is no font for some character:
    then boxes stand for those, the page says so, and the log tells what to install.

    Raises:
        InputError: there is more text than one PDF is made of.
        KuvertError: typst cannot set it.
    """
    text, moment = json.dumps(sheet), _moment(day)
    if _weight(text) > _HEAVIEST:
        raise InputError("The invoice has too much text for a PDF: over about 4,000 lines")
    try:
        return _compile(text, moment, lacks_fonts=False)
    except typst.TypstError as error:
        if _NO_FONT not in error.message:
            raise _refusal(error) from error
    logger.warning("no font for some characters of an invoice: docs/pdf.md says what to install")
    try:
        return _compile(text, moment, lacks_fonts=True)
    except typst.TypstError as error:
        raise _refusal(error) from error


def _compile(text: str, moment: datetime, *, lacks_fonts: bool) -> bytes:
    with _panics_told():
        return typst.compile(
            _TEMPLATE,
            root=_FOLDER,
            package_path=_FOLDER,
            package_cache_path=_FOLDER,
            font_paths=fonts(),
            sys_inputs={"sheet": text, "lacks-fonts": "yes" if lacks_fonts else "no"},
            timestamp=moment,
            pdf_standards=[] if lacks_fonts else _STANDARD,
            pdf_tags=_weight(text) <= _HEAVIEST_TAGGED,
        )


@contextmanager
def _panics_told() -> Iterator[None]:
    """Make an error of a panic in typst: it is no Exception (pyo3) and would end a whole batch.

    Raises:
        KuvertError: typst panicked.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise KuvertError(f"typst cannot set this invoice: it panicked: {error}"[:300]) from error


def _weight(text: str) -> int:
    """Return about how many characters there are to set; a new line takes as long as many."""
    return len(text) + _LINE_WEIGHT * text.count("\\n")


def _refusal(error: typst.TypstError) -> KuvertError:
    return KuvertError(f"typst cannot set this invoice: {error.message}")


@lru_cache(maxsize=1)
def fonts() -> typst.Fonts:
    """Return the fonts of this machine, looked up once a process."""
    return typst.Fonts()


def _moment(day: object) -> datetime:
    if isinstance(day, date):
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    return datetime(1990, 1, 1, tzinfo=UTC)
