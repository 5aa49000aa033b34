"""What the peer answers."""

import hashlib
import json
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from tests.benchmarks.peers.desk import signing
from tests.benchmarks.peers.desk.forms import RefusedError, read_invoice
from tests.benchmarks.peers.desk.models import Callback, Document, Invoice, Source, StatusEvent
from tests.benchmarks.peers.desk.pushes import push_event
from tests.benchmarks.peers.desk.tasks import process_callback, send_invoice


def caller(request: HttpRequest) -> Source | None:
    """Return whose key the request carries."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    prefix, _, secret = token.partition(".")
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return Source.objects.filter(key_prefix=prefix, key_sha256=digest).first()


@csrf_exempt
@require_POST
def accept_invoice(request: HttpRequest) -> JsonResponse:
    """Take one invoice in."""
    source = caller(request)
    if source is None:
        return JsonResponse({"error": "no key"}, status=401)
    try:
        fields = read_invoice(json.loads(request.body))
    except (RefusedError, ValueError) as error:
        return JsonResponse({"error": str(error)}, status=422)
    try:
        with transaction.atomic():
            invoice = store(source, fields, request.body)
            transaction.on_commit(lambda: send_invoice.delay(str(invoice.pk)))
    except IntegrityError:
        return JsonResponse({"error": "the number is taken"}, status=409)
    answer = {"id": str(invoice.pk), "number": invoice.number, "status": invoice.status}
    return JsonResponse(answer, status=202)


def store(source: Source, fields: dict[str, Any], body: bytes) -> Invoice:
    """Write an invoice, its document and its first event."""
    invoice = Invoice.objects.create(source=source, due_at=timezone.now(), **fields)
    digest = hashlib.sha256(body).hexdigest()
    Document.objects.create(invoice=invoice, body=body, sha256=digest)
    push_event(invoice, StatusEvent.objects.create(invoice=invoice, to_status=invoice.status))
    return invoice


@csrf_exempt
@require_POST
def accept_batch(request: HttpRequest) -> JsonResponse:
    """Take many invoices in, one JSON object a line."""
    source = caller(request)
    if source is None:
        return JsonResponse({"error": "no key"}, status=401)
    lines = request.body.splitlines()
    try:
        invoices = [
            Invoice(source=source, due_at=timezone.now(), **read_invoice(json.loads(line)))
            for line in lines
        ]
    except (RefusedError, ValueError) as error:
        return JsonResponse({"error": str(error)}, status=422)
    with transaction.atomic():
        store_many(invoices, lines)
    results = [{"id": str(one.pk), "number": one.number, "code": 202} for one in invoices]
    return JsonResponse({"results": results})


def store_many(invoices: list[Invoice], bodies: list[bytes]) -> None:
    """Write invoices, their documents and first events."""
    Invoice.objects.bulk_create(invoices)
    Document.objects.bulk_create(
        Document(invoice=invoice, body=body, sha256=hashlib.sha256(body).hexdigest())
        for invoice, body in zip(invoices, bodies, strict=True)
    )
    StatusEvent.objects.bulk_create(
        StatusEvent(invoice=invoice, to_status=invoice.status) for invoice in invoices
    )


@csrf_exempt
@require_POST
def receive_callback(request: HttpRequest, provider: str) -> JsonResponse:
    """Store what a provider says."""
    try:
        event_id = signing.verify(settings.CALLBACK_SECRET, request.headers, request.body)
    except (KeyError, ValueError):
        return JsonResponse({"error": "bad signature"}, status=401)
    callback, is_new = Callback.objects.get_or_create(
        provider=provider,
        event_id=event_id,
        defaults={
            "body": request.body,
            "headers": {
                name: request.headers[name] for name in ("Content-Type", "webhook-timestamp")
            },
        },
    )
    if is_new:
        process_callback.delay(str(callback.pk))
    return JsonResponse({"id": str(callback.pk)}, status=202 if is_new else 200)
