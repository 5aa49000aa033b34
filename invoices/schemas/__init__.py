"""Outside words to typed values: the JSON invoice and the options of a delivery."""

from invoices.schemas.json_invoice import DeliveryOptions, JsonInvoice, QueryOptions
from invoices.schemas.reading import check_json_invoice, read_json_invoice, read_query_options

__all__ = [
    "DeliveryOptions",
    "JsonInvoice",
    "QueryOptions",
    "check_json_invoice",
    "read_json_invoice",
    "read_query_options",
]
