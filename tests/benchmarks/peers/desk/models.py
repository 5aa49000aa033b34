"""Tables of the peer: what Kuvert keeps too, in fewer tables (one row is invoice and delivery)."""

import uuid

from django.db import models


class Status(models.TextChoices):
    """What has become of an invoice."""

    READY = "ready"
    SENDING = "sending"
    SENT = "sent"
    RETRY_WAIT = "retry_wait"
    UNDELIVERABLE = "undeliverable"


class Source(models.Model):
    """A billing system and its key."""

    name = models.CharField(max_length=100, unique=True)
    key_prefix = models.CharField(max_length=16, unique=True)
    key_sha256 = models.CharField(max_length=64)


class Invoice(models.Model):
    """One invoice and its delivery."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    source = models.ForeignKey(Source, on_delete=models.PROTECT)
    number = models.CharField(max_length=64)
    issue_date = models.DateField()
    due_date = models.DateField(null=True)
    currency = models.CharField(max_length=3)
    buyer_reference = models.CharField(max_length=200, blank=True)
    seller_name = models.CharField(max_length=300)
    seller_id = models.CharField(max_length=120, blank=True)
    seller_email = models.EmailField(blank=True)
    buyer_name = models.CharField(max_length=300)
    buyer_id = models.CharField(max_length=120, blank=True)
    buyer_email = models.EmailField(blank=True)
    payable_amount = models.DecimalField(max_digits=18, decimal_places=4)
    tax_amount = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    line_count = models.IntegerField()
    labels = models.JSONField(default=dict)
    status = models.CharField(max_length=20, choices=Status, default=Status.READY)
    due_at = models.DateTimeField(null=True)
    attempt_count = models.IntegerField(default=0)
    provider_reference = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """What is unique, and what is looked for."""

        constraints = (
            models.UniqueConstraint(
                fields=("source", "seller_name", "number"), name="unique_number"
            ),
        )
        indexes = (
            models.Index(fields=("due_at",), name="due", condition=models.Q(due_at__isnull=False)),
        )


class Document(models.Model):
    """The bytes of an invoice as they came."""

    invoice = models.OneToOneField(Invoice, on_delete=models.CASCADE)
    sha256 = models.CharField(max_length=64)
    body = models.BinaryField()


class Attempt(models.Model):
    """One try to hand an invoice over."""

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE)
    number = models.IntegerField()
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    http_status = models.IntegerField(null=True)
    response = models.CharField(max_length=2000, blank=True)


class StatusEvent(models.Model):
    """One change of status."""

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE)
    from_status = models.CharField(max_length=20, blank=True)
    to_status = models.CharField(max_length=20)
    note = models.CharField(max_length=2000, blank=True)
    occurred_at = models.DateTimeField(auto_now_add=True)


class Subscription(models.Model):
    """Who wants to hear of a source's events."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE)
    url = models.URLField()


class Push(models.Model):
    """One event for one subscription."""

    event = models.ForeignKey(StatusEvent, on_delete=models.CASCADE)
    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE)
    payload = models.JSONField()
    state = models.CharField(max_length=20, default="pending")
    due_at = models.DateTimeField(null=True)


class Callback(models.Model):
    """What a provider said."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    provider = models.CharField(max_length=60)
    event_id = models.CharField(max_length=255)
    headers = models.JSONField()
    body = models.BinaryField()
    state = models.CharField(max_length=20, default="received")
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """One row per event."""

        constraints = (
            models.UniqueConstraint(fields=("provider", "event_id"), name="unique_event"),
        )
