"""What pydantic found wrong, in the words of the people who must mend it.

Runs only for refused input, so it may take its time.
"""

import difflib
import re
from collections.abc import Mapping, Set
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from core.errors import Finding
from invoices import currencies, values
from invoices.refusals import MAX_FINDINGS
from invoices.schemas import json_invoice
from invoices.schemas.totals import amount_form, check_dates, check_sums

_Part = TypeVar("_Part", bound=BaseModel)

_MAX_NAME: Final = 60
# pydantic lists all or nothing, and a hostile body can break a million rules.
_MAX_LISTED: Final = 20_000
_SERVER_SET: Final = frozenset(
    {
        "client",
        "created_at",
        "customization_id",
        "deliveries",
        "delivery_id",
        "id",
        "sequence",
        "source",
        "status",
        "syntax",
        "updated_at",
        "version",
    }
)
_AMOUNTS: Final = frozenset({"net_amount", "tax_amount", "payable_amount"})
_MAX_LENGTHS: Final[Mapping[str, int]] = {
    "address": values.ADDRESS_LENGTH,
    "buyer_reference": values.BUYER_REFERENCE_LENGTH,
    "description": values.DESCRIPTION_LENGTH,
    "external_id": values.EXTERNAL_ID_LENGTH,
    "id": values.ID_LENGTH,
    "name": values.NAME_LENGTH,
    "number": values.NUMBER_LENGTH,
}
_NOT_AN_EMAIL: Final = ("email", "not an e-mail address such as name@example.com")
_PATTERNS: Final[Mapping[str, tuple[str, str]]] = {
    "email": _NOT_AN_EMAIL,
    "to": _NOT_AN_EMAIL,
    "provider": ("provider", "use letters, digits, dot, hyphen and underscore"),
}
_TYPES: Final[Mapping[str, tuple[str, str]]] = {
    "dict_type": ("type", "expected an object"),
    "list_type": ("type", "expected an array"),
    "model_type": ("type", "expected an object"),
    "string_type": ("type", "expected text"),
    "string_unicode": ("text", "not valid text"),
}
_PARTS: Final[Mapping[str, type[BaseModel]]] = {
    "buyer": json_invoice.Buyer,
    "delivery": json_invoice.DeliveryOptions,
    "lines": json_invoice.Line,
    "seller": json_invoice.Seller,
}
_TOO_MANY_DIGITS: Final = re.compile(rf"-?[0-9]{{{values.AMOUNT_DIGITS + 1},}}(\.[0-9]*)?")


def findings_of(
    error: ValidationError, raw: Mapping[str, object], model: type[BaseModel]
) -> list[Finding]:
    """Return one finding for each thing that is wrong, at most 100 of them from pydantic.

    The checks between fields run as well, as far as their own fields are sound.
    """
    count = error.error_count()
    if count > _MAX_LISTED:
        return [Finding("", "too-many", f"{count:,} rules are broken: too many to list")]
    details = error.errors(include_url=False)
    found = [_finding(detail, raw, model) for detail in details[:MAX_FINDINGS]]
    if model is json_invoice.JsonInvoice:
        failed = {str(detail["loc"][0]) if detail["loc"] else "" for detail in details}
        found += _findings_between(raw, failed)
    return found


def _findings_between(raw: Mapping[str, object], failed: Set[str]) -> list[Finding]:
    """Check dates and sums although another field made the whole fail."""
    dates = _part(json_invoice.InvoiceDates, raw, failed)
    sums = _part(json_invoice.InvoiceSums, raw, failed)
    return [*(check_dates(dates) if dates else []), *(check_sums(sums) if sums else [])]


def _part(kind: type[_Part], raw: Mapping[str, object], failed: Set[str]) -> _Part | None:
    names = kind.model_fields.keys()
    if "" in failed or names & failed:
        return None
    return kind.model_validate({name: raw[name] for name in names & raw.keys()})


def _finding(detail: ErrorDetails, raw: Mapping[str, object], model: type[BaseModel]) -> Finding:
    # pydantic marks the key of a mapping, as opposed to its value, with a last step of its own.
    steps = [_printable(str(step)) for step in detail["loc"] if step != "[key]"]
    where = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    rule, message = _explain(detail, steps, raw, model)
    return Finding(where, rule, message)


def _explain(
    detail: ErrorDetails, steps: list[str], raw: Mapping[str, object], model: type[BaseModel]
) -> tuple[str, str]:
    """Return the rule and the message."""
    kind = detail["type"]
    name = steps[-1] if steps else ""
    if kind == "missing":
        return "required", "is required"
    if kind == "extra_forbidden":
        return _unknown(steps, model)
    if kind in {"string_too_short", "string_too_long", "too_short", "too_long"}:
        return _length(detail, name)
    if name in _AMOUNTS and kind in {"string_type", "string_pattern_mismatch"}:
        return "amount", _amount_message(detail["input"], raw)
    if kind == "string_pattern_mismatch":
        return _pattern(detail, name)
    return _TYPES.get(kind, (kind, detail["msg"]))


def _unknown(steps: list[str], model: type[BaseModel]) -> tuple[str, str]:
    """Explain a field that is not ours, or not the caller's to set."""
    name = steps[-1]
    owner = _PARTS[steps[0]] if len(steps) > 1 else model
    if owner is json_invoice.JsonInvoice and name in _SERVER_SET:
        return "server-set", "set by the server"
    close = difflib.get_close_matches(name, owner.model_fields, 1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return "unknown-field", f"Unknown field '{name}'{hint}"


def _length(detail: ErrorDetails, name: str) -> tuple[str, str]:
    if detail["type"] == "too_short":
        return "BR-16", "at least one line"
    if detail["type"] == "too_long":
        return "length", f"at most {detail['ctx']['max_length']:,} entries"
    if name in _MAX_LENGTHS:
        return "length", f"1 to {_MAX_LENGTHS[name]} characters"
    if detail["type"] == "string_too_short":
        return "length", "may not be empty"
    return "length", f"at most {detail['ctx']['max_length']} characters"


def _pattern(detail: ErrorDetails, name: str) -> tuple[str, str]:
    if detail["loc"][-1] == "[key]":
        return "label-key", "a label's key is made of a-z, 0-9, dot, hyphen and underscore"
    if name in _PATTERNS:
        return _PATTERNS[name]
    if "\0" in str(detail["input"]):
        return "text", "may not contain a null character"
    return "text", "may not contain control characters"


def _amount_message(given: object, raw: Mapping[str, object]) -> str:
    if not isinstance(given, str):
        return 'send amounts as text, e.g. "12.30"'
    if _TOO_MANY_DIGITS.fullmatch(given):
        return f"at most {values.AMOUNT_DIGITS} digits before the dot"
    code = raw.get("currency")
    return amount_form(currencies.find(code) if isinstance(code, str) else None)


def _printable(step: str) -> str:
    """Make a caller's name safe to send back: short, and without lone surrogates."""
    return step[:_MAX_NAME].encode(errors="backslashreplace").decode()
