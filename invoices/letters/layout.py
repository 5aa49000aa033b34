"""The HTML of a letter: one calm layout, and of what staff write in HTML only what is harmless."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import nh3
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from core.errors import Finding
from invoices.letters.wording import direction_of

_LAYOUT: Final = ImmutableSandboxedEnvironment(autoescape=True).from_string(
    Path(__file__).with_name("layout.html").read_text(encoding="utf-8")
)
_TAG_WORDS: Final = """
    a b blockquote br caption code div em h1 h2 h3 h4 hr i li ol p pre s small span strong sub sup
    table tbody td tfoot th thead tr u ul
"""
_TAGS: Final = frozenset(_TAG_WORDS.split())
_EVERYWHERE: Final = frozenset({"style", "dir", "lang", "title"})
_ATTRIBUTES: Final = {
    "*": set(_EVERYWHERE),
    "a": {"href"},
    "table": {"align", "cellpadding", "cellspacing", "width"},
    "td": {"align", "valign", "colspan", "rowspan", "width"},
    "th": {"align", "valign", "colspan", "rowspan", "width"},
}
# None of these fetches anything or moves over another part of the page.
_STYLE_WORDS: Final = """
    background-color border border-bottom border-collapse border-color border-left border-radius
    border-right border-style border-top border-width color font-family font-size font-style
    font-weight letter-spacing line-height margin margin-bottom margin-left margin-right margin-top
    max-width padding padding-bottom padding-left padding-right padding-top text-align
    text-decoration text-transform vertical-align white-space width
"""
_STYLES: Final = frozenset(_STYLE_WORDS.split())
_SCHEMES: Final = frozenset({"https", "mailto"})
_CLEANER: Final = nh3.Cleaner(
    tags=set(_TAGS),
    attributes=_ATTRIBUTES,
    url_schemes=set(_SCHEMES),
    url_relative="deny",
    filter_style_properties=set(_STYLES),
)
_PARAGRAPHS: Final = re.compile(r"\n[ \t]*\n\s*")


def page(body: Markup, subject: str, language: str) -> str:
    """Return a whole HTML page around a body."""
    return _LAYOUT.render(
        body=body, subject=subject, language=language, direction=direction_of(language)
    )


def body_of_text(text: str) -> Markup:
    """Return a text as paragraphs, one for each that empty lines part."""
    parts = _PARAGRAPHS.split(text.strip("\n"))
    paragraph = Markup('<p style="margin:0 0 1em">{}</p>')
    return Markup("\n").join(
        paragraph.format(Markup("<br>\n").join(escape(line) for line in part.split("\n")))
        for part in parts
    )


def cleaned(body: str) -> Markup:
    """Return of HTML what is harmless: nothing that runs, and nothing fetched from elsewhere."""
    return Markup(_CLEANER.clean(body))  # noqa: S704 - cleaned is what makes it safe


def findings(where: str, source: str) -> list[Finding]:
    """Return the tags and attributes in a template's HTML that no letter would keep."""
    reader = _TagReader()
    reader.feed(source)
    reader.close()
    return [
        Finding(where, "html", f"line {line}: {what} is not for letters")
        for line, what in dict.fromkeys(reader.refused)
    ]


class _TagReader(HTMLParser):
    """Notes tags and attributes that the cleaner would take out, with their lines."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.refused: list[tuple[int, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag."""
        line = self.getpos()[0]
        self.refused += [(line, what) for what in _refused(tag, attrs)]


def _refused(tag: str, attributes: list[tuple[str, str | None]]) -> Iterator[str]:
    if tag not in _TAGS:
        yield f"<{tag[:40]}>"
        return
    known = _EVERYWHERE | _ATTRIBUTES.get(tag, set())
    for name, value in attributes:
        if name not in known:
            yield f"the attribute {name[:40]} of <{tag}>"
        elif name == "href" and not _may_lead(value or ""):
            yield f"a link to '{(value or '')[:60]}' (use https: or mailto:)"


def _may_lead(target: str) -> bool:
    """Tell whether a link may stand in a letter; one from a variable is looked at when filled."""
    scheme, colon, _ = target.strip().partition(":")
    return target.lstrip().startswith("{{") or (bool(colon) and scheme.lower() in _SCHEMES)
