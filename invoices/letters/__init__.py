"""Letters: the subject, text and HTML of the mail that carries an invoice, from templates."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from core.errors import Finding, InputError
from invoices.letters import grammar, layout
from invoices.letters.facts import SAMPLE, SAMPLES, Facts, facts_of
from invoices.letters.wording import (
    DEFAULT_LANGUAGE,
    LANGUAGES,
    VARIABLES,
    isolated,
    words_of,
)
from invoices.refusals import refusal

__all__ = [
    "BODY_LENGTH",
    "DEFAULT_LANGUAGE",
    "LANGUAGES",
    "SAMPLE",
    "SUBJECT_LENGTH",
    "VARIABLES",
    "Facts",
    "Letter",
    "Template",
    "builtin",
    "check",
    "facts_of",
    "write",
]

SUBJECT_LENGTH: Final = 300
BODY_LENGTH: Final = 20_000
_LONGEST_SUBJECT: Final = 250
_BUILTIN: Final = Path(__file__).with_name("builtin")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Template:
    """What staff write: `html` None makes the HTML from the text; `language` of LANGUAGES."""

    subject: str
    text: str
    html: str | None = None
    language: str = DEFAULT_LANGUAGE


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as it goes out: `subject` is one line, `html` a whole page."""

    subject: str
    text: str
    html: str


def write(template: Template, facts: Facts) -> Letter:
    """Write the letter of an invoice.

    Raises:
        InputError: the template breaks a rule (see `check`), or the letter becomes too long or
            gets no subject.
    """
    _refuse(template)
    return _written(template, facts)


def check(template: Template) -> None:
    """Make sure that letters can be written from a template, with facts of all kinds.

    Raises:
        InputError: every broken rule is a finding at `/subject`, `/text`, `/html` or `/language`,
            with its line and what is known.
    """
    _refuse(template)
    for facts in SAMPLES:
        _written(template, facts)


@cache
def builtin(language: str) -> Template:
    """Return our own template of a language; in English where we have none."""
    path = _BUILTIN / f"{language}.txt"
    if language not in LANGUAGES or not path.is_file():
        return builtin(DEFAULT_LANGUAGE)
    subject, _, text = path.read_text(encoding="utf-8").partition("\n\n")
    return Template(subject, text, language=language)


def _written(template: Template, facts: Facts) -> Letter:
    words = words_of(facts, template.language)
    inside = {
        name: isolated(word) if isinstance(word, str) else word for name, word in words.items()
    }
    subject = _subject(_filled("/subject", template.subject, words))
    text = _filled("/text", template.text, inside).strip("\n") + "\n"
    if template.html is None:
        body = layout.body_of_text(text)
    else:
        body = layout.cleaned(_filled("/html", template.html, inside, is_html=True))
    return Letter(subject, text, layout.page(body, subject, template.language))


def _subject(text: str) -> str:
    """Return the subject on one line; what is too long for one is cut."""
    line = " ".join(text.split())
    if not line:
        raise InputError.at("/subject", "empty", "the subject is empty for such an invoice")
    return line if len(line) <= _LONGEST_SUBJECT else f"{line[: _LONGEST_SUBJECT - 1]}…"


def _filled(where: str, source: str, words: dict[str, str | bool], *, is_html: bool = False) -> str:
    """Fill a part of a template, and stop as soon as it is too long."""
    parts, length = [], 0
    for part in grammar.compiled(source, is_html=is_html).generate(words):
        length += len(part)
        if length > grammar.MAX_LETTER:
            message = f"the letter has more than {grammar.MAX_LETTER:,} characters"
            raise InputError.at(where, "length", message)
        parts.append(part)
    return "".join(parts)


def _refuse(template: Template) -> None:
    found = _broken(template)
    if found:
        raise refusal(found)


@lru_cache(maxsize=256)
def _broken(template: Template) -> tuple[Finding, ...]:
    """Return every rule that a template breaks by itself; thousands of letters are of one."""
    return tuple(_findings(template))


def _findings(template: Template) -> Iterator[Finding]:
    if template.language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        message = f"there are no letters in '{template.language[:20]}'; known are {known}"
        yield Finding("/language", "language", message)
    if "\n" in template.subject or "\r" in template.subject:
        yield Finding("/subject", "line", "a subject is one line")
    yield from _part_findings("/subject", template.subject, SUBJECT_LENGTH)
    yield from _part_findings("/text", template.text, BODY_LENGTH)
    if template.html is not None:
        yield from _part_findings("/html", template.html, BODY_LENGTH)
        yield from layout.findings("/html", template.html)


def _part_findings(where: str, source: str, most: int) -> Iterator[Finding]:
    if not source.strip() or len(source) > most:
        yield Finding(where, "length", f"1 to {most:,} characters")
        return
    wrong = _CONTROL.search(source)
    if wrong is not None:
        line = source.count("\n", 0, wrong.start()) + 1
        code = f"U+{ord(wrong[0]):04X}"
        yield Finding(where, "text", f"line {line}: a character that cannot be shown ({code})")
        return
    yield from grammar.findings(where, source)
