"""Reads pages as a browser does."""

from lxml.html import HtmlElement, document_fromstring


def page_of(html: str) -> HtmlElement:
    """Parse a page."""
    return document_fromstring(html)


def fields_of(html: str, kind: str) -> dict[str, str]:
    """Return the fields of the form of a class, as the browser would send them back."""
    [form] = [one for one in page_of(html).forms if kind in (one.get("class") or "").split()]
    return {name: value or "" for name, value in form.fields.items()}
