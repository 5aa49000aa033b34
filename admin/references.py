"""What the ids of other tables stand for: how a row is called, and the page that shows it."""

from admin.listing import Reference
from callbacks.models import Callback
from core.people.models import User
from core.schedules.models import Schedule
from invoices.models import Delivery, Invoice, Provider, Source
from status.models import Push, Subscription

REFERENCES = {
    model.__tablename__: Reference(model.__table__, shown, endpoint)
    for model, shown, endpoint in (
        (Source, "name", "source"),
        (Provider, "code", "provider"),
        (Invoice, "number", "invoice"),
        (Delivery, "id", "delivery"),
        (Callback, "id", "callback"),
        (Subscription, "url", "subscription"),
        (Push, "id", "push"),
        (Schedule, "name", "schedule"),
        (User, "email", "user"),
    )
}
