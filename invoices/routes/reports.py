"""Showing what was taken in, added up."""

from flask import Response, jsonify

from core.access import caller
from core.api import parameters
from core.clock import utcnow
from core.db import reading
from core.web import settings
from invoices import answers
from invoices.routes import bp
from invoices.services import totals

SCOPE = "reports:read"


@bp.get("/reports/totals")
def show_totals() -> Response:
    """Show the source's totals of a week, per currency and status; of the last one over if none.

    A week that is over was added up on the Monday after it, and stays as it was then.
    """
    source = caller(SCOPE)
    given = parameters("week").get("week")
    now = utcnow()
    week = totals.Week.asked_for(given[0] if given else None, now, settings().timezone)
    with reading() as connection:
        rows = totals.stored(connection, week, source.source_id)
        rows = rows or totals.compute(connection, week, source.source_id)
    return jsonify(answers.totals(week, rows, is_final=week.end <= now))
