"""Background work of the invoices package. Messages carry ids; the work is in services."""

from celery import current_app, shared_task

from core import pauses, pump
from core.clock import utcnow
from core.db import unit_of_work
from core.queues import TaskName
from core.settings import current
from invoices import dispatch
from invoices.channels import registry
from invoices.report import sending
from invoices.services import bulk_claims, claims, outcomes, report_mails, totals

DELIVERIES = pump.Pump(
    pump=TaskName.GET_ACTIVE_INVOICES,
    work=TaskName.SEND_INVOICE,
    table=claims.DELIVERIES,
    is_due=claims.has_due,
    claim=claims.claim,
    oldest=claims.oldest,
    before=outcomes.settle_lost,
    is_outgoing=True,
)


@shared_task(name=TaskName.GET_ACTIVE_INVOICES.value)
def get_active_invoices() -> str:
    """Hand out the deliveries that are due, and settle those whose worker was lost."""
    return pump.run(DELIVERIES, current_app, pump.limits(current()))


@shared_task(name=TaskName.SEND_INVOICE.value, soft_time_limit=300, time_limit=330)
def send_invoice(token_or_id: str, ids: list[str] | None = None) -> int:
    """Send the deliveries of a batch; a bare id claims for itself. Returns how many were tried."""
    lease = pump.limits(current()).lease
    with unit_of_work() as connection:
        message = pump.open_message(connection, DELIVERIES, token_or_id, ids, lease)
        if message is None:
            return 0
        batch = claims.provider_of(connection, message)
        if batch is None or not batch.is_open:
            pump.put_back(connection, claims.DELIVERIES, message.token, message.ids)
            return 0
    return dispatch.send_batch(registry.get(batch.route.channel), batch, message)


BULK_ACTS = pump.Pump(
    pump=TaskName.GET_BULK_ACTS,
    work=TaskName.ACT_IN_BULK,
    table=bulk_claims.ACTS,
    is_due=bulk_claims.has_due,
    claim=bulk_claims.claim,
    oldest=bulk_claims.oldest,
    is_outgoing=True,
)


@shared_task(name=TaskName.GET_BULK_ACTS.value)
def get_bulk_acts() -> str:
    """Hand out the bulk acts that somebody has asked for."""
    return pump.run(BULK_ACTS, current_app, pump.limits(current()))


@shared_task(name=TaskName.ACT_IN_BULK.value, soft_time_limit=300, time_limit=330)
def act_in_bulk(token_or_id: str, ids: list[str] | None = None) -> int:
    """Go on with bulk acts, each for a while; what is left is due again. Returns how many ended."""
    lease = pump.limits(current()).lease
    with unit_of_work() as connection:
        message = pump.open_message(connection, BULK_ACTS, token_or_id, ids, lease)
    return bulk_claims.work(message) if message else 0


@shared_task(name=TaskName.GET_TOTAL_INVOICES.value)
def get_total_invoices() -> str:
    """Compute and keep the totals of the last full week, and mail them; once is enough.

    Beat also rings for a mail that is due again: then the totals stay as they are. While dispatch
    is paused nothing is mailed.
    """
    week = totals.Week.before(utcnow(), current().timezone)
    with unit_of_work() as connection:
        kept = totals.stored(connection, week)
        if not kept or not report_mails.has_due(connection, utcnow()):
            kept = totals.store(connection, week)
        if pauses.is_paused(connection):
            return f"{week.name}: {len(kept)} totals; not mailed: {pauses.PAUSED}"
        missing = report_mails.ask_once(connection, week, current())
    said = [f"{week.name}: {len(kept)} totals", missing, *sending.send_due(current())]
    return "; ".join(phrase for phrase in said if phrase)
