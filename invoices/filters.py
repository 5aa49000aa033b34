"""Which invoices a list shows: query parameters to typed values."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pydantic_core import PydanticCustomError

from core.errors import Finding, InputError
from invoices import currencies
from invoices.schemas.fields import read_date, read_timestamp
from status.models import Status

REPEATABLE = ("status", "label")
_LABEL = re.compile(r"[a-z0-9._-]{1,60}:.*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which invoices are wanted; what is None or empty does not matter.

    `buyer` is a part of the buyer's name, in any case; from and to include their ends.
    """

    statuses: tuple[str, ...] = ()
    number: str | None = None
    external_id: str | None = None
    buyer: str | None = None
    currency: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    due_from: date | None = None
    due_to: date | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def read_filters(given: Mapping[str, Sequence[str]]) -> Filters:
    """Read the filters among the query parameters.

    Raises:
        InputError: values that cannot be read, all at once.
    """
    values: dict[str, Any] = {}
    findings: list[Finding] = []
    for name, read in _READERS.items():
        try:
            if name in given:
                values[name] = read(_without_nul(given[name]))
        except PydanticCustomError as error:
            findings.append(Finding(f"/{name}", error.type, f"{name}: {error.message()}"))
    if findings:
        raise InputError("; ".join(finding.message for finding in findings), findings=findings)
    values["statuses"] = values.pop("status", ())
    values["labels"] = values.pop("label", {})
    return Filters(**values)


def _without_nul(texts: Sequence[str]) -> Sequence[str]:
    """Refuse what PostgreSQL cannot compare with."""
    if any("\0" in text for text in texts):
        raise PydanticCustomError("text", "may not contain a null character")
    return texts


def _text(texts: Sequence[str]) -> str:
    return texts[0]


def _currency(texts: Sequence[str]) -> str:
    if currencies.find(texts[0]) is None:
        refusal = currencies.refusal_of(texts[0])
        raise PydanticCustomError("currency", "{refusal}", {"refusal": refusal})
    return texts[0]


def _moment(texts: Sequence[str]) -> datetime:
    # An unescaped + in a query is a space: the offset +01:00 would come as " 01:00".
    return read_timestamp(texts[0].replace(" ", "+"))


def _day(texts: Sequence[str]) -> date:
    return read_date(texts[0])


def _statuses(texts: Sequence[str]) -> tuple[str, ...]:
    words = tuple(word for text in texts for word in text.split(","))
    if not set(words) <= set(Status):
        raise PydanticCustomError("status", "one of {known}", {"known": ", ".join(Status)})
    return words


def _labels(texts: Sequence[str]) -> dict[str, str]:
    if not all(map(_LABEL.fullmatch, texts)):
        raise PydanticCustomError("label", "write key:value")
    return dict(text.split(":", 1) for text in texts)


_READERS: Mapping[str, Callable[[Sequence[str]], object]] = {
    "status": _statuses,
    "number": _text,
    "external_id": _text,
    "buyer": _text,
    "currency": _currency,
    "created_from": _moment,
    "created_to": _moment,
    "due_from": _day,
    "due_to": _day,
    "label": _labels,
}
NAMES = tuple(name for name in _READERS if name not in REPEATABLE)
