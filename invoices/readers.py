"""From the body of a request or a file to invoices, by media type."""

from collections.abc import Mapping, Sequence

from core.errors import KuvertError, MediaTypeError, UnreadableError
from invoices.documents import read_xml_invoice
from invoices.schemas import read_json_invoice, read_query_options
from invoices.values import NewInvoice

JSON = "application/json"
XML = frozenset({"application/xml", "text/xml"})


def read(body: bytes, media_type: str, options: Mapping[str, str]) -> NewInvoice:
    """Read one invoice; `options` are the query of an XML invoice, which cannot carry them.

    Raises:
        UnreadableError: nothing there, or not JSON.
        MediaTypeError: neither JSON nor XML.
        InputError: it breaks a rule.
    """
    if not body:
        raise UnreadableError("The request has no body")
    if media_type == JSON:
        return read_json_invoice(body)
    if media_type in XML:
        asked = read_query_options(options)
        return read_xml_invoice(
            body,
            provider_code=asked.provider,
            recipient=asked.to,
            external_id=asked.external_id,
            send_at=asked.send_at,
        )
    raise MediaTypeError("Send application/json or application/xml")


def read_batch(items: Sequence[bytes]) -> list[NewInvoice | KuvertError]:
    """Read JSON invoices one by one; what cannot be read becomes its error."""
    return [_try(item) for item in items]


def _try(item: bytes) -> NewInvoice | KuvertError:
    try:
        return read_json_invoice(item)
    except KuvertError as error:
        return error
