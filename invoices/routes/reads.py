"""Showing invoices, their documents, deliveries and attempts."""

import re

from flask import Response, jsonify, request

from core.access import caller
from core.api import listed, page, parameters, path_id, versioned
from core.db import reading
from invoices import answers, pdf, queries
from invoices.filters import NAMES, REPEATABLE, read_filters
from invoices.routes import bp
from invoices.values import Syntax

SCOPE = "invoices:read"
PAGING = ("limit", "cursor")

_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@bp.get("/invoices")
def list_invoices() -> Response:
    """List the source's invoices, newest first."""
    source = caller(SCOPE)
    given = parameters(*NAMES, *PAGING, repeatable=REPEATABLE)
    asked, filters = page(given), read_filters(given)
    with reading() as connection:
        rows = queries.newest(connection, source.source_id, filters, asked.after, asked.limit + 1)
    return listed(rows, asked, answers.listed_invoice)


@bp.get("/invoices/<invoice_id>")
def show_invoice(invoice_id: str) -> Response:
    """Show one invoice as it was written, and what has become of it."""
    source = caller(SCOPE)
    parameters()
    with reading() as connection:
        row = queries.invoice(connection, source.source_id, path_id(invoice_id))
    return versioned(jsonify(answers.invoice(row, row.body)), row.status_sequence)


@bp.get("/invoices/<invoice_id>/document")
def show_document(invoice_id: str) -> Response:
    """Give the invoice's document back, byte for byte as it came."""
    source = caller(SCOPE)
    parameters()
    with reading() as connection:
        row = queries.document(connection, source.source_id, path_id(invoice_id))
    kind = "json" if row.syntax == Syntax.JSON else "xml"
    answer = _file(row.body, row.media_type, f"{row.number}.{kind}")
    answer.set_etag(row.sha256)
    answer.make_conditional(request)
    return answer


@bp.get("/invoices/<invoice_id>/pdf")
def show_pdf(invoice_id: str) -> Response:
    """Give a PDF for people, made from the invoice's document.

    It is made anew each time, and is the same for the same document. 501: the optional part that
    makes it is not installed here.
    """
    source = caller(SCOPE)
    given = parameters("language").get("language", pdf.LANGUAGES[:1])
    with reading() as connection:
        row = queries.document(connection, source.source_id, path_id(invoice_id))
    body = pdf.make(row.body, row.media_type, language=given[0])
    return _file(body, pdf.MEDIA_TYPE, f"{row.number}.pdf")


def _file(body: bytes, media_type: str, name: str) -> Response:
    """Answer with something to keep."""
    answer = Response(body, content_type=media_type)
    safe = _UNSAFE_IN_NAME.sub("_", name)
    answer.headers["Content-Disposition"] = f'attachment; filename="{safe}"'
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


@bp.get("/invoices/<invoice_id>/deliveries")
def list_deliveries(invoice_id: str) -> Response:
    """List an invoice's deliveries, oldest first."""
    source = caller(SCOPE)
    asked = page(parameters(*PAGING))
    with reading() as connection:
        rows = queries.deliveries(
            connection, source.source_id, path_id(invoice_id), asked.after, asked.limit + 1
        )
    return listed(rows, asked, answers.delivery)


@bp.get("/invoices/<invoice_id>/attempts")
def list_attempts(invoice_id: str) -> Response:
    """List all attempts of all deliveries of an invoice, oldest first."""
    source = caller(SCOPE)
    asked = page(parameters(*PAGING))
    with reading() as connection:
        rows = queries.attempts(
            connection, source.source_id, path_id(invoice_id), asked.after, asked.limit + 1
        )
    return listed(rows, asked, answers.attempt)
