"""Making a push for each subscription of an event's source."""

from django.utils import timezone

from tests.benchmarks.peers.desk.models import Invoice, Push, StatusEvent, Subscription


def push_event(invoice: Invoice, event: StatusEvent) -> None:
    """Store what each subscriber shall hear."""
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
        Push.objects.create(
            event=event, subscription=subscription, payload=payload, due_at=timezone.now()
        )
