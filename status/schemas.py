"""Outside words to typed values: what a subscription is asked to be."""

import difflib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from core.errors import Finding, InputError

Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
EventTypes = Annotated[list[Annotated[str, StringConstraints(max_length=40)]], Field(max_length=20)]

_SET_BY_SERVER = frozenset({"id", "state", "state_reason", "secret", "version", "created_at"})


class NewSubscription(BaseModel):
    """A URL that wants to hear of status events; no `event_types` mean all of them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Text
    event_types: EventTypes = []


class SubscriptionChange(BaseModel):
    """What is to be changed; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Text | None = None
    event_types: EventTypes | None = None


def read_moment(value: object) -> datetime:
    """Read a point in time as RFC 3339 writes it.

    Raises:
        PydanticCustomError: another form, or no zone.
    """
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise PydanticCustomError("timestamp", "use a time such as 2026-11-22T08:30:00Z")
    return found


class ReplayOrder(BaseModel):
    """Since when events are to be pushed again."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[datetime, BeforeValidator(read_moment)]


Model = TypeVar("Model", bound=BaseModel)


def read(model: type[Model], body: Mapping[str, object]) -> Model:
    """Read a body as `model`.

    Raises:
        InputError: everything that is wrong with it.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        findings = [
            _finding(model, detail["loc"], detail["type"], detail["msg"])
            for detail in error.errors(include_url=False, include_input=False)
        ]
        text = "; ".join(f"{found.where[1:]}: {found.message}" for found in findings)
        raise InputError(text, findings=findings) from None


def _finding(
    model: type[BaseModel], place: tuple[int | str, ...], kind: str, message: str
) -> Finding:
    name = str(place[-1])[:60].encode(errors="backslashreplace").decode()
    where = "/" + "/".join([*map(str, place[:-1]), name])
    if kind == "missing":
        return Finding(where, "required", "is required")
    if kind != "extra_forbidden":
        return Finding(where, kind, message)
    if name in _SET_BY_SERVER:
        return Finding(where, "server-set", "set by the server")
    close = difflib.get_close_matches(name, model.model_fields, 1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return Finding(where, "unknown-field", f"Unknown field '{name}'{hint}")
