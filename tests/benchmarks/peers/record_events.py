"""Records status events with their pushes one by one; prints how many a second."""

import sys
import time

import django


def main() -> None:
    """Record as many as the argument says, each in a transaction."""
    django.setup()
    from django.db import transaction

    from tests.benchmarks.peers.desk.models import Invoice, Status, StatusEvent
    from tests.benchmarks.peers.desk.pushes import push_event
    from tests.benchmarks.peers.worker import app

    app.set_default()
    invoice = Invoice.objects.earliest("created_at")
    number = int(sys.argv[1])
    began = time.perf_counter()
    for _ in range(number):
        with transaction.atomic():
            event = StatusEvent.objects.create(
                invoice=invoice, from_status=Status.SENDING, to_status=Status.SENT, note="accepted"
            )
            push_event(invoice, event)
    print(number / (time.perf_counter() - began))


if __name__ == "__main__":
    main()
