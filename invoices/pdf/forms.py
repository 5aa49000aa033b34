"""How figures, days, countries and codes are written in a language."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from babel import Locale
from babel.dates import format_date
from babel.numbers import get_decimal_symbol, get_group_symbol

from core.visible import visible
from invoices import currencies
from invoices.pdf import words
from invoices.pdf.paper import Day, Figure, Period

# English for Europe: a day such as 4 Jul 2026, which nobody reads the wrong way round.
_LOCALES: Final = {"en": "en_GB", "de": "de_DE"}
_BREAK: Final = "\u200b"
# What steers a terminal or turns the direction of what follows; a mark for one place may stay.
_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_MOST_MARKS: Final = 6
_LONGEST_WORD: Final = 28
LONGEST_FIGURE: Final = 11
LONGEST_ID: Final = 16
# Wide characters count double.
_WORD: Final = re.compile(rf"\S{{{_LONGEST_WORD // 2},}}")
_WIDE: Final = frozenset("WMmw@%\u2014\u2026")
_JOINERS: Final = "\u200d\ufe0f"


class Forms:
    """The forms of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._locale = Locale.parse(_LOCALES[language])
        self._position = words.LANGUAGES.index(language)
        self._symbols = str.maketrans(
            {".": get_decimal_symbol(self._locale), ",": get_group_symbol(self._locale)}
        )

    def label(self, key: str) -> str:
        """Return a word of the paper's own."""
        return words.LABELS[key][self._position]

    def named(self, table: Mapping[str, tuple[str, str]], code: str) -> str:
        """Return what a code means, the code itself when the table does not have it."""
        return table[code][self._position] if code in table else code

    def amount(self, figure: Figure | None, currency: str) -> str:
        """Return an amount with the decimals of its currency at least, and all it has."""
        known = currencies.find(currency)
        return self._written(figure, known.decimals if known else 2)

    def money(self, figure: Figure | None, currency: str) -> str:
        """Return an amount with the code of its currency."""
        text = self.amount(figure, currency)
        return f"{text}\u00a0{currency}" if text else ""

    def number(self, figure: Figure | None) -> str:
        """Return a number with no more decimals than it needs."""
        return self._written(figure, 0)

    def percent(self, figure: Figure | None) -> str:
        """Return a rate, which is in percent."""
        text = self.number(figure)
        return f"{text}\u00a0%" if text else ""

    def quantity(self, figure: Figure | None, unit: str) -> str:
        """Return how many of what."""
        text = self.number(figure)
        return " ".join(filter(None, (text, self._unit(figure, unit))))

    def day(self, day: Day | None) -> str:
        """Return a day, such as 4 Jul 2026."""
        if isinstance(day, date):
            return format_date(day, "medium", self._locale)
        return day or ""

    def period(self, period: Period) -> str:
        """Return from when to when, as people write it."""
        start, end = self.day(period.start), self.day(period.end)
        if start and end:
            return f"{start} \u2013 {end}"
        if start:
            return f"{self.label('since')} {start}"
        return f"{self.label('until')} {end}" if end else ""

    def country(self, code: str) -> str:
        """Return the name of a country (ISO 3166-1 alpha-2), the code where there is none."""
        return str(self._locale.territories.get(code.upper(), code))

    def _unit(self, figure: Figure | None, unit: str) -> str:
        if unit not in words.UNITS:
            return unit
        one, other = words.UNITS[unit][self._position]
        return one if isinstance(figure, Decimal) and abs(figure) == 1 else other

    def _written(self, figure: Figure | None, decimals: int) -> str:
        """Write a number exactly: grouped, never rounded."""
        if not isinstance(figure, Decimal):
            return figure or ""
        whole, _, rest = f"{figure:,f}".partition(".")
        rest = rest.rstrip("0").ljust(decimals, "0")
        text = f"{whole}.{rest}" if rest else whole
        return text.translate(self._symbols)


def printable(text: str) -> str:
    """Return `text` so that it can be set: breakable everywhere, steering and covering nothing."""
    safe = _UNSAFE.sub(lambda match: visible(match[0]), _unstacked(text))
    return _WORD.sub(lambda match: _softened(match[0], _LONGEST_WORD), safe)


def _unstacked(text: str) -> str:
    """Return `text` with no more marks on a letter than any script needs.

    Hundreds of them would be painted over the lines above and below.
    """
    if text.isascii():
        return text
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def narrow(text: str, longest: int = LONGEST_FIGURE) -> str:
    """Return a text so that it can be set in a narrow column, of `longest` digits."""
    return " ".join(_softened(word, longest) for word in printable(text).split(" "))


def _softened(word: str, longest: int) -> str:
    """Put places to break into a long word, none of them inside a character."""
    parts, since = [], 0.0
    for character in word:
        width = _width(character)
        if since and width and since + width > longest:
            parts.append(_BREAK)
            since = 0
        parts.append(character)
        since = 0 if character == _BREAK else since + width
    return "".join(parts)


def _width(character: str) -> float:
    """Return about how many digits wide a character is; 0 when it belongs to the one before."""
    if character in _JOINERS or unicodedata.category(character).startswith("M"):
        return 0
    if character in _WIDE or unicodedata.east_asian_width(character) in {"F", "W"}:
        return 2
    return 1.3 if character.isupper() else 1
