"""What the invoice routes take and answer, for the description of the API."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from core.openapi import (
    ETAG,
    IF_MATCH,
    LINK,
    LOCATION,
    PAGING,
    Day,
    Id,
    Moment,
    Operation,
    Page,
    Place,
    Raw,
)
from invoices.models import Origin, Outcome
from invoices.pdf import MEDIA_TYPE
from invoices.schemas import JsonInvoice, actions, fields
from invoices.values import Syntax
from status.models import Status


class Party(TypedDict):
    """Seller or buyer."""

    name: str
    id: NotRequired[str | None]
    email: NotRequired[str | None]
    address: NotRequired[str | None]


class InvoiceLine(TypedDict):
    """One line, as it was written."""

    description: str
    quantity: str | int
    unit_price: str | int
    net_amount: str
    tax_rate: NotRequired[str | int | None]


class AskedDelivery(TypedDict):
    """By whom and to whom the invoice was asked to go."""

    provider: NotRequired[str | None]
    to: NotRequired[str | None]


class ListedInvoice(TypedDict):
    """An invoice as lists show it; what was not written is left out."""

    id: Id
    number: str
    status: Status
    sequence: int
    deliveries: str
    created_at: Moment
    issue_date: Day
    type_code: str
    currency: str
    seller: Party
    buyer: Party
    payable_amount: str
    tax_amount: NotRequired[str | None]
    due_date: NotRequired[Day | None]
    buyer_reference: NotRequired[str | None]
    external_id: NotRequired[str | None]
    labels: NotRequired[dict[str, str]]
    syntax: NotRequired[Syntax]
    customization_id: NotRequired[str | None]


class Invoice(ListedInvoice):
    """An invoice as it was written, and what has become of it.

    `lines`, `delivery` and `send_at` are there where it came as JSON; `syntax` and
    `customization_id` where it came as XML. With `document_removed_at` the document was removed
    by retention then, and what was read from it is left.
    """

    document_removed_at: NotRequired[Moment]
    lines: NotRequired[list[InvoiceLine]]
    delivery: NotRequired[AskedDelivery | None]
    send_at: NotRequired[Moment | None]


class AcceptedInvoice(TypedDict):
    """An invoice that Kuvert will deliver."""

    id: Id
    number: str
    status: Status
    delivery_id: Id | None


class BatchProblem(TypedDict):
    """Why one invoice of a batch was not taken."""

    title: str
    detail: str
    errors: list[Place]


class BatchResult(TypedDict):
    """What became of one invoice of a batch; `code` is what the single call would answer."""

    index: int
    code: int
    id: NotRequired[Id]
    number: NotRequired[str]
    status: NotRequired[Status]
    delivery_id: NotRequired[Id | None]
    problem: NotRequired[BatchProblem]


class BatchResults(TypedDict):
    """One result per invoice, in their order."""

    results: list[BatchResult]


class Validation(TypedDict):
    """Whether an invoice would be taken, and what is wrong with it."""

    valid: bool
    findings: list[Place]


class Standing(AcceptedInvoice):
    """Where an invoice stands after an action."""

    sequence: int


class Delivery(TypedDict):
    """One hand-over that is wanted; its id is the dispatch key that the provider sees."""

    id: Id
    provider: str | None
    to: str | None
    origin: Origin
    reason: str | None
    state: Status
    due_at: Moment | None
    attempt_count: int
    provider_reference: str | None
    created_at: Moment


class Attempt(TypedDict):
    """One try of a delivery; `outcome` null: it is under way."""

    id: Id
    delivery_id: Id
    number: int
    started_at: Moment
    finished_at: Moment | None
    outcome: Outcome | None
    http_status: int | None
    provider_reference: str | None
    response: str | None


class Suppression(TypedDict):
    """An address to which nothing goes for now.

    `reason` is what the last bounce said, or whoever suppressed it by hand; without `expires_at`
    it stays so until somebody releases it.
    """

    id: Id
    address: str
    verdict: Literal["hard", "soft", "by_hand"]
    reason: str
    suppressed_at: Moment
    expires_at: Moment | None


class Total(TypedDict):
    """What the invoices of one currency and status come to."""

    source: str
    currency: str
    status: Status
    invoice_count: int
    payable_amount: str
    tax_amount: str


Totals = TypedDict(
    "Totals",
    {"week": str, "from": Moment, "to": Moment, "is_final": bool, "totals": list[Total]},
)
"""The totals of an ISO week; `to` is its first moment that is past. In this form for `from`."""

READ = "invoices:read"
WRITE = "invoices:write"

XML_OPTIONS: Mapping[str, object] = {
    "provider": fields.ProviderCode,
    "to": fields.Recipient,
    "external_id": fields.ExternalId,
    "send_at": Moment,
}
DOCUMENTS: Mapping[str, object] = {"application/json": JsonInvoice, "application/xml": Raw}
REPLAY = {
    "Idempotency-Key": "1 to 255 visible ASCII characters. The same key and body again get the"
    " first answer with `Idempotency-Replayed: true`; another body gets 422."
}
FILTERS: Mapping[str, object] = {
    "status": list[Status],
    "number": str,
    "external_id": str,
    "buyer": str,
    "currency": fields.CurrencyCode,
    "created_from": Moment,
    "created_to": Moment,
    "due_from": Day,
    "due_to": Day,
    "label": list[str],
}


def _action(verb: str, model: Any) -> Operation:  # noqa: ANN401 - a type, for its schema
    return Operation(
        scope=WRITE,
        bodies={"application/json": model},
        answers={200: Standing},
        headers=IF_MATCH,
        problems=(409, 410) if verb == "resend" else (409,),
    )


OPERATIONS: Mapping[str, Operation] = {
    "invoices.accept_invoice": Operation(
        scope=WRITE,
        bodies=DOCUMENTS,
        query=XML_OPTIONS,
        headers=REPLAY,
        answers={202: AcceptedInvoice, 200: AcceptedInvoice},
        answer_headers=LOCATION,
        problems=(409,),
    ),
    "invoices.accept_batch": Operation(
        scope=WRITE,
        bodies={"application/json": list[JsonInvoice], "application/x-ndjson": Raw},
        answers={200: BatchResults},
    ),
    "invoices.validate_invoice": Operation(
        bodies=DOCUMENTS, query=XML_OPTIONS, answers={200: Validation}
    ),
    "invoices.list_invoices": Operation(
        scope=READ,
        query={**FILTERS, **PAGING},
        answers={200: Page[ListedInvoice]},
        answer_headers=LINK,
    ),
    "invoices.show_invoice": Operation(
        scope=READ, answers={200: Invoice, 304: None}, answer_headers=ETAG
    ),
    "invoices.show_document": Operation(
        scope=READ,
        answers={200: Raw, 304: None},
        answer_headers={"ETag": "The SHA-256 of the document."},
        answer_media_types=("application/json", "application/xml"),
        problems=(410,),
    ),
    "invoices.show_pdf": Operation(
        scope=READ,
        query={"language": Literal["en", "de"]},
        answers={200: Raw},
        answer_media_types=(MEDIA_TYPE,),
        problems=(410, 501),
    ),
    "invoices.list_deliveries": Operation(
        scope=READ, query=PAGING, answers={200: Page[Delivery]}, answer_headers=LINK
    ),
    "invoices.list_attempts": Operation(
        scope=READ, query=PAGING, answers={200: Page[Attempt]}, answer_headers=LINK
    ),
    "invoices.show_totals": Operation(
        scope="reports:read",
        query={"week": Annotated[str, Field(pattern=r"^[0-9]{4}-W[0-9]{2}$")]},
        answers={200: Totals},
    ),
    "invoices.list_suppressions": Operation(
        scope=READ, query=PAGING, answers={200: Page[Suppression]}, answer_headers=LINK
    ),
    **{f"invoices.{verb}": _action(verb, model) for verb, model in actions.MODELS.items()},
}
