"""Sending in the plain way: a message, a transaction before and one after, per invoice."""

from datetime import timedelta
from functools import cache

import requests
from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from tests.benchmarks.peers.desk.models import (
    Attempt,
    Callback,
    Invoice,
    Status,
    StatusEvent,
)
from tests.benchmarks.peers.desk.pushes import push_event


@cache
def session() -> requests.Session:
    """Return the process's own session, which keeps its connections."""
    return requests.Session()


@shared_task
def send_due_invoices() -> int:
    """Start a task for each invoice that is due."""
    due = Invoice.objects.filter(status=Status.READY, due_at__lte=timezone.now())
    ids = [str(pk) for pk in due.values_list("pk", flat=True)]
    for pk in ids:
        send_invoice.delay(pk)
    return len(ids)


@shared_task
def send_invoice(invoice_id: str) -> None:
    """Hand one invoice over and record how it ended."""
    with transaction.atomic():
        invoice = (
            Invoice.objects.select_for_update(of=("self",))
            .select_related("document")
            .filter(pk=invoice_id, status=Status.READY)
            .first()
        )
        if invoice is None:
            return
        attempt = begin(invoice)
    response = session().post(
        settings.PROVIDER_URL,
        data=bytes(invoice.document.body),
        headers={
            "Content-Type": "application/json",
            "Idempotency-Key": str(invoice.pk),
            "Kuvert-Invoice-Number": invoice.number,
        },
        timeout=30,
    )
    with transaction.atomic():
        record(invoice, attempt, response)


def begin(invoice: Invoice) -> Attempt:
    """Mark an invoice as being sent."""
    invoice.attempt_count += 1
    change(invoice, Status.SENDING)
    return Attempt.objects.create(invoice=invoice, number=invoice.attempt_count)


def record(invoice: Invoice, attempt: Attempt, response: requests.Response) -> None:
    """Keep the answer and move the invoice on."""
    attempt.finished_at = timezone.now()
    attempt.http_status = response.status_code
    attempt.response = response.text[:2000]
    attempt.save(update_fields=["finished_at", "http_status", "response"])
    if response.ok:
        invoice.provider_reference = response.json().get("id", "")
        invoice.due_at = None
        change(invoice, Status.SENT)
    else:
        invoice.due_at = timezone.now() + timedelta(minutes=5)
        change(invoice, Status.RETRY_WAIT)


def change(invoice: Invoice, status: str) -> None:
    """Write a new status with its event and pushes."""
    event = StatusEvent.objects.create(
        invoice=invoice, from_status=invoice.status, to_status=status
    )
    invoice.status = status
    invoice.save(update_fields=["status", "due_at", "attempt_count", "provider_reference"])
    if status != Status.SENDING:
        push_event(invoice, event)


@shared_task
def process_callback(callback_id: str) -> None:
    """Apply what a provider said; no benchmark runs it, but each callback asks for it."""
    Callback.objects.filter(pk=callback_id).update(state="applied")
