"""The kinds of field a JSON invoice is made of.

Patterns and lengths are checked by pydantic's own code; Python functions run only where a
pattern cannot judge (code lists, the calendar). Every refusal here is worded for the caller.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from invoices import currencies, values

# One line: no control characters, so that it can stand in a header, a log or a subject.
LINE_PATTERN: Final = r"^[^\x00-\x1f\x7f]*$"
# Several lines: tab, line feed and carriage return as well, as in XML 1.0 §2.2.
LINES_PATTERN: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
MONEY_PATTERN: Final = rf"^-?[0-9]{{1,{values.AMOUNT_DIGITS}}}(\.[0-9]{{1,4}})?$"
NUMBER_PATTERN: Final = rf"^-?[0-9]{{1,{values.AMOUNT_DIGITS}}}(\.[0-9]{{1,10}})?$"
RATE_PATTERN: Final = r"^[0-9]{1,3}(\.[0-9]{1,4})?$"
# An e-mail address, or another kind of address in visible ASCII such as 0192:991825827.
RECIPIENT_PATTERN: Final = rf"^(?:{values.EMAIL_PATTERN}|[!-?A-~]+)$"

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# RFC 3339 §5.6; the last group is the zone.
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_MAX_NUMBER: Final = 10**values.AMOUNT_DIGITS - 1
_MAX_RATE: Final = 999


def read_date(value: object) -> date:
    """Read a calendar date.

    Raises:
        PydanticCustomError: another form, no such day, or a year outside 1990-2100.
    """
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise PydanticCustomError("date", "use YYYY-MM-DD")
    try:
        found = date.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("date", "no such date") from None
    _check_year(found.year)
    return found


def read_timestamp(value: object) -> datetime:
    """Read a point in time as RFC 3339 writes it; the result is UTC.

    Raises:
        PydanticCustomError: another form, no zone, no such time, or a year outside 1990-2100.
    """
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError("timestamp", "use a time such as 2026-11-22T08:30:00Z")
    day, time, fraction, zone = match.groups()
    if zone is None:
        raise PydanticCustomError("timestamp", "add Z or an offset")
    _check_year(int(day[:4]))
    micros = (fraction or "0")[:6].ljust(6, "0")
    try:
        return datetime.fromisoformat(f"{day}T{time}.{micros}{zone.upper()}").astimezone(UTC)
    except ValueError:
        raise PydanticCustomError("timestamp", "no such time") from None


def _check_year(year: int) -> None:
    if not values.FIRST_YEAR <= year <= values.LAST_YEAR:
        span = f"{values.FIRST_YEAR}-{values.LAST_YEAR}"
        raise PydanticCustomError("year", "outside {span}", {"span": span})


def _check_currency(code: str) -> str:
    if currencies.find(code) is None:
        refusal = currencies.refusal_of(code)
        raise PydanticCustomError("currency", "{refusal}", {"refusal": refusal})
    return code


def _check_type_code(code: str) -> str:
    if code not in values.TYPE_CODES:
        raise PydanticCustomError("BR-CL-01", "not a document type of EN 16931, such as 380 or 381")
    return code


@dataclass(frozen=True, slots=True)
class _NumberSchema:
    """A decimal as text, or a JSON integer: neither can lose digits on the way."""

    pattern: str
    lowest: int
    highest: int

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.union_schema(
            [
                core_schema.str_schema(pattern=self.pattern),
                core_schema.int_schema(strict=True, ge=self.lowest, le=self.highest),
            ],
            mode="left_to_right",
            custom_error_type="number",
            custom_error_message='send a number as text, e.g. "1.5", with digits and a dot',
        )


def _line(maximum: int) -> StringConstraints:
    return StringConstraints(
        strip_whitespace=True, min_length=1, max_length=maximum, pattern=LINE_PATTERN
    )


def _lines(maximum: int) -> StringConstraints:
    return StringConstraints(
        strip_whitespace=True, min_length=1, max_length=maximum, pattern=LINES_PATTERN
    )


InvoiceNumber = Annotated[str, _line(values.NUMBER_LENGTH)]
Name = Annotated[str, _line(values.NAME_LENGTH)]
PartyId = Annotated[str, _line(values.ID_LENGTH)]
BuyerReference = Annotated[str, _line(values.BUYER_REFERENCE_LENGTH)]
ExternalId = Annotated[str, _line(values.EXTERNAL_ID_LENGTH)]
Address = Annotated[str, _lines(values.ADDRESS_LENGTH)]
Description = Annotated[str, _lines(values.DESCRIPTION_LENGTH)]
Email = Annotated[
    str, StringConstraints(max_length=values.EMAIL_LENGTH, pattern=rf"^{values.EMAIL_PATTERN}$")
]
Recipient = Annotated[
    str, StringConstraints(max_length=values.EMAIL_LENGTH, pattern=RECIPIENT_PATTERN)
]
ProviderCode = Annotated[
    str, StringConstraints(max_length=values.PROVIDER_LENGTH, pattern=r"^[A-Za-z0-9_.-]+$")
]
LabelKey = Annotated[
    str, StringConstraints(max_length=values.LABEL_KEY_LENGTH, pattern=r"^[a-z0-9_.-]+$")
]
LabelValue = Annotated[
    str, StringConstraints(max_length=values.LABEL_VALUE_LENGTH, pattern=LINE_PATTERN)
]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=values.MAX_LABELS)]

Money = Annotated[str, StringConstraints(pattern=MONEY_PATTERN), Field(examples=["12.30"])]
Number = Annotated[
    str | int,
    _NumberSchema(NUMBER_PATTERN, -_MAX_NUMBER, _MAX_NUMBER),
    Field(examples=["1.5"]),
]
Rate = Annotated[str | int, _NumberSchema(RATE_PATTERN, 0, _MAX_RATE), Field(examples=["25"])]
CurrencyCode = Annotated[
    str, AfterValidator(_check_currency), Field(examples=["EUR"], description="ISO 4217")
]
TypeCode = Annotated[
    str,
    AfterValidator(_check_type_code),
    Field(json_schema_extra={"enum": sorted(values.TYPE_CODES)}),
]
IsoDate = Annotated[
    date, BeforeValidator(read_date), WithJsonSchema({"type": "string", "format": "date"})
]
Timestamp = Annotated[
    datetime,
    BeforeValidator(read_timestamp),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
