"""What the bodies of actions on an invoice say."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from core import strict_json
from core.errors import UnreadableError
from invoices.refusals import refusal
from invoices.schemas import fields
from invoices.schemas.explaining import findings_of

Reason = Annotated[
    str, StringConstraints(min_length=1, max_length=500, pattern=fields.LINE_PATTERN)
]


class Action(BaseModel):
    """An action that needs nothing but its reason: cancel, hold."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class Release(Action):
    """Let go, perhaps through another provider or to another address."""

    provider: fields.ProviderCode | None = None
    to: fields.Recipient | None = None


class Resend(Release):
    """Send again; `confirm` where the invoice was sent before."""

    confirm: bool = False


class Reconcile(Action):
    """Decide an unknown outcome."""

    status: Annotated[str, Field(examples=["sent"])]


MODELS: dict[str, type[Action]] = {
    "cancel": Action,
    "hold": Action,
    "release": Release,
    "resend": Resend,
    "reconcile": Reconcile,
}
"""The body of each verb."""


def read_action(verb: str, body: bytes) -> dict[str, object]:
    """Read the body of an action; what is not given is left out.

    Raises:
        UnreadableError: not a JSON object.
        InputError: it breaks a rule.
    """
    raw = strict_json.loads(body)
    if not isinstance(raw, dict):
        raise UnreadableError("Expected an object")
    return check_action(verb, raw)


def check_action(verb: str, raw: Mapping[str, object]) -> dict[str, object]:
    """Check what an action is asked with; what is not given is left out.

    Raises:
        InputError: it breaks a rule.
    """
    model = MODELS[verb]
    try:
        return model.model_validate(raw).model_dump(exclude_none=True)
    except ValidationError as error:
        raise refusal(findings_of(error, raw, model)) from None
