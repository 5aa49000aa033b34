"""What stands in a PDF."""

import io
import json
from collections.abc import Mapping

from pypdf import PdfReader

from invoices import pdf
from tests.invoices.json_samples import an_invoice


def texts(document: bytes) -> list[str]:
    """Return the text of each page, blanks made alike and places to break taken out."""
    pages = PdfReader(io.BytesIO(document)).pages
    return [plain(page.extract_text()) for page in pages]


def plain(text: str) -> str:
    return " ".join(text.replace("\u200b", "").replace("\xa0", " ").split())


def whole_text(document: bytes) -> str:
    return " ".join(texts(document))


def squeezed(text: str) -> str:
    """Return text without any blank, to find in it what stands in several lines."""
    return "".join(text.replace("\u200b", "").split())


def printed(language: str = "en", **changes: object) -> bytes:
    """Return the PDF of a JSON invoice."""
    return of_json(an_invoice(**changes), language)


def of_json(invoice: Mapping[str, object], language: str = "en") -> bytes:
    return pdf.make(json.dumps(invoice).encode(), "application/json", language=language)


def of_xml(body: str | bytes, language: str = "en") -> bytes:
    given = body.encode() if isinstance(body, str) else body
    return pdf.make(given, "application/xml", language=language)
