"""A PDF made from an invoice, for people; the document itself stays what counts.

It needs the extra `pdf` (requirements/pdf.txt). It takes a moment of computing and must be called
while no transaction is open.
"""

from importlib.util import find_spec
from typing import Final

from core.errors import InputError, MediaTypeError, NotInstalledError
from invoices import readers
from invoices.documents import parse_xml_invoice
from invoices.documents.cii import INVOICE
from invoices.pdf import from_cii, from_json, from_ubl
from invoices.pdf.paper import Paper
from invoices.pdf.sheet import lay_out
from invoices.pdf.words import LANGUAGES
from invoices.schemas import check_json_invoice

__all__ = ["LANGUAGES", "MEDIA_TYPE", "check_available", "is_available", "make"]

MEDIA_TYPE: Final = "application/pdf"


def is_available() -> bool:
    """Tell whether PDFs can be made here: typst is an extra."""
    return find_spec("typst") is not None


def check_available() -> None:
    """See that PDFs can be made here.

    Raises:
        NotInstalledError: they cannot.
    """
    if not is_available():
        raise NotInstalledError(
            "PDFs are not made here: typst is not installed;"
            " pip install --require-hashes -r requirements/pdf.txt"
        )


def make(body: bytes, media_type: str, *, language: str = "en") -> bytes:
    """Return an invoice (UBL, CII or our JSON) as a PDF; the same input gives the same bytes.

    Raises:
        NotInstalledError: the extra is missing.
        MediaTypeError: neither JSON nor XML.
        UnreadableError: there is no body, or it is no JSON.
        InputError: no invoice that Kuvert reads, more text than one PDF is made of, or no such
            language.
        KuvertError: typst cannot set it, which is a fault of ours.
    """
    check_available()
    if language not in LANGUAGES:
        raise InputError.at("/language", "language", f"use one of {', '.join(LANGUAGES)}")
    # Only now: typst is an extra.
    from invoices.pdf.typesetting import typeset

    paper = _read(body, media_type)
    return typeset(lay_out(paper, language), paper.issue_date)


def _read(body: bytes, media_type: str) -> Paper:
    kind = media_type.partition(";")[0].strip().lower()
    if kind == readers.JSON:
        return from_json.read(check_json_invoice(body))
    if kind not in readers.XML:
        raise MediaTypeError("A PDF is made from application/json or application/xml")
    root = parse_xml_invoice(body)
    return from_cii.read(root) if root.tag.startswith(f"{{{INVOICE}}}") else from_ubl.read(root)
