"""The JSON invoice, field by field, in the terms of EN 16931.

Two groups of fields are models of their own, because their members are checked against each
other, and that must also work where some other field is wrong.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from invoices.schemas import fields


class _Strict(BaseModel):
    """Base of all: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Seller(_Strict):
    """Who asks for the money (BG-4)."""

    name: fields.Name
    id: fields.PartyId | None = None
    email: fields.Email | None = None


class Buyer(_Strict):
    """Who is asked (BG-7)."""

    name: fields.Name
    id: fields.PartyId | None = None
    email: fields.Email | None = None
    address: fields.Address | None = None


class Line(_Strict):
    """One line (BG-25); `net_amount` is quantity times price, rounded, `tax_rate` in percent."""

    description: fields.Description
    quantity: fields.Number
    unit_price: fields.Number
    net_amount: fields.Money
    tax_rate: fields.Rate | None = None


class DeliveryOptions(_Strict):
    """By whom and to whom the invoice goes."""

    provider: fields.ProviderCode | None = None
    to: fields.Recipient | None = None


class InvoiceDates(_Strict):
    """The dates, which have an order."""

    issue_date: fields.IsoDate
    due_date: fields.IsoDate | None = None


class InvoiceSums(_Strict):
    """The amounts, which add up."""

    currency: fields.CurrencyCode
    lines: Annotated[list[Line], Field(min_length=1, max_length=10_000)]
    tax_amount: fields.Money | None = None
    payable_amount: fields.Money


class JsonInvoice(InvoiceSums, InvoiceDates):
    """An invoice as a billing system writes it in JSON."""

    number: fields.InvoiceNumber
    type_code: fields.TypeCode = "380"
    buyer_reference: fields.BuyerReference | None = None
    seller: Seller
    buyer: Buyer
    delivery: DeliveryOptions | None = None
    external_id: fields.ExternalId | None = None
    send_at: fields.Timestamp | None = None
    labels: fields.Labels = {}


class QueryOptions(DeliveryOptions):
    """What the caller of an XML invoice says in the query string."""

    external_id: fields.ExternalId | None = None
    send_at: fields.Timestamp | None = None
