"""Addresses that are suppressed."""

from flask import Response

from core.access import caller
from core.api import listed, page, parameters
from core.db import reading
from invoices import answers
from invoices import suppression_queries as queries
from invoices.routes import bp


@bp.get("/suppressions")
def list_suppressions() -> Response:
    """List the source's addresses that are suppressed now because they bounced, oldest first."""
    source = caller("invoices:read")
    asked = page(parameters("limit", "cursor"))
    with reading() as connection:
        rows = queries.active(connection, source.source_id, asked.after, asked.limit + 1)
    return listed(rows, asked, answers.suppression)
