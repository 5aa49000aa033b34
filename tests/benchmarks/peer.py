"""The Django peer inside the benchmark's own process: setting up and filling."""

import hashlib
import time
from typing import TYPE_CHECKING

from tests.benchmarks.documents import documents
from tests.benchmarks.processes import wait_until
from tests.benchmarks.stage import WORKERS, Stage

if TYPE_CHECKING:
    pass

KEY_PREFIX, KEY_SECRET = "bench", "a-key-of-the-peer"


def set_up() -> None:
    """Make Django's tables and a source with a key."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    from tests.benchmarks.peers.desk.models import Source

    digest = hashlib.sha256(KEY_SECRET.encode()).hexdigest()
    Source.objects.create(name="peer", key_prefix=KEY_PREFIX, key_sha256=digest)


def key() -> str:
    """Return the key of the peer's source."""
    return f"{KEY_PREFIX}.{KEY_SECRET}"


def start_worker(stage: Stage) -> None:
    """Start the peer's worker with as many processes as ours."""
    arguments = ["-m", "celery", "-A", "tests.benchmarks.peers.worker:app", "worker"]
    arguments += ["-c", str(WORKERS), "-l", "INFO", "--without-gossip", "--without-mingle"]
    process = stage.start("peer-worker", arguments, stage.peer_environ)
    process.wait_for_line("ready.")


def fill(number: int) -> None:
    """Store that many invoices that are due."""
    from tests.benchmarks.peers.desk import forms, views
    from tests.benchmarks.peers.desk.models import Invoice, Source

    source: Source = Source.objects.get()
    bodies = list(documents("peer", number))
    invoices = [Invoice(source=source, **_read(forms, body)) for body in bodies]
    views.store_many(invoices, bodies)


def _read(forms: object, body: bytes) -> dict[str, object]:
    import json

    fields: dict[str, object] = forms.read_invoice(json.loads(body))  # type: ignore[attr-defined]
    return fields


def send_all() -> float:
    """Make all invoices due, start the task, and return the seconds until all are sent."""
    from celery import Celery
    from django.conf import settings
    from django.utils import timezone

    from tests.benchmarks.peers.desk.models import Invoice, Status

    open_ones = Invoice.objects.exclude(status=Status.SENT)
    open_ones.update(due_at=timezone.now())
    began = time.perf_counter()
    # Kuvert's own Celery is the current one here.
    with Celery("starter", broker=settings.CELERY_BROKER_URL, set_as_current=False) as starter:
        starter.send_task("tests.benchmarks.peers.desk.tasks.send_due_invoices")
    wait_until(lambda: not open_ones.count())
    return time.perf_counter() - began
