"""What a billing system may do to an invoice that is already here."""

from uuid import UUID

from flask import jsonify
from flask.typing import ResponseReturnValue

from core.access import Caller, caller
from core.api import check_version, path_id
from core.bodies import read_body
from core.db import reading, unit_of_work
from invoices import queries
from invoices.routes import bp
from invoices.schemas.actions import read_action
from invoices.services import actions
from invoices.services.actions import Order
from status.models import Cause

SCOPE = "invoices:write"


def _order(source: Caller, reason: str) -> Order:
    return Order(
        reason=reason,
        actor=source.name,
        cause=Cause.API,
        source_id=source.source_id,
        check_version=check_version,
    )


@bp.post("/invoices/<invoice_id>/cancel")
def cancel(invoice_id: str) -> ResponseReturnValue:
    """Take an invoice out before it goes."""
    return _act("cancel", invoice_id)


@bp.post("/invoices/<invoice_id>/hold")
def hold(invoice_id: str) -> ResponseReturnValue:
    """Keep an invoice back."""
    return _act("hold", invoice_id)


@bp.post("/invoices/<invoice_id>/release")
def release(invoice_id: str) -> ResponseReturnValue:
    """Let a held invoice go."""
    return _act("release", invoice_id)


@bp.post("/invoices/<invoice_id>/resend")
def resend(invoice_id: str) -> ResponseReturnValue:
    """Send the same document once more, under a new dispatch key."""
    return _act("resend", invoice_id)


@bp.post("/invoices/<invoice_id>/reconcile")
def reconcile(invoice_id: str) -> ResponseReturnValue:
    """Decide an unknown outcome."""
    return _act("reconcile", invoice_id)


def _act(verb: str, invoice_id: str) -> ResponseReturnValue:
    """Carry out one verb and answer with where the invoice stands now."""
    source = caller(SCOPE)
    asked = read_action(verb, read_body())
    target: UUID = path_id(invoice_id)
    with unit_of_work() as connection:
        order = _order(source, str(asked.pop("reason")))
        actions.VERBS[verb](connection, target, order, **asked)
    with reading() as connection:
        return jsonify(queries.standing(connection, source.source_id, target))
