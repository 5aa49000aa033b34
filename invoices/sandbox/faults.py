"""What the sandbox does to an invoice: chosen by whom the invoice is for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

DOMAIN: Final = "sandbox.example"


class Fault(StrEnum):
    """Local part of a recipient at sandbox.example, and what happens then."""

    DELIVER = "deliver"  # accepted, then reported as delivered
    BOUNCE = "bounce"  # accepted, then reported as bounced
    REFUSE = "refuse"  # refused for good
    TIMEOUT = "timeout"  # accepted, but neither answered nor reported
    ERROR = "error"  # fails three times, then accepts
    BUSY = "busy"  # asks for patience once, then accepts
    SLOW = "slow"  # accepted, answered late
    DUPLICATE = "duplicate"  # reported twice under one webhook-id
    EARLY = "early"  # reported before the invoice is answered
    FORGED = "forged"  # reported with a signature that does not fit
    UNMAPPED = "unmapped"  # reported with a status that nobody knows
    SILENT = "silent"  # accepted and answered, never reported


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to one request; `body` becomes JSON."""

    status: int
    body: Mapping[str, object] | list[dict[str, object]]
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """How often a key is turned away before it is accepted, and with which answer."""

    reply: Reply
    times: float = field(default=float("inf"))


REFUSALS: Final[Mapping[Fault, Refusal]] = {
    Fault.REFUSE: Refusal(Reply(422, {"reason": "the recipient accepts no electronic invoices"})),
    Fault.ERROR: Refusal(Reply(500, {"reason": "internal error"}), times=3),
    Fault.BUSY: Refusal(
        Reply(429, {"reason": "too many requests"}, headers=(("Retry-After", "2"),)), times=1
    ),
}

UNREPORTED: Final = frozenset({Fault.TIMEOUT, Fault.SILENT})

_REPORTS: Final[Mapping[Fault, tuple[str, str]]] = {
    Fault.BOUNCE: ("bounced", "mailbox unavailable"),
    Fault.UNMAPPED: ("galactic", "a status that is in no agreement"),
}


def fault_for(recipient: str) -> Fault:
    """Read the fault out of a recipient's address; any other address is simply delivered to.

    A tag after `+` and the case of letters do not matter: `Bounce+march@sandbox.example`.
    """
    local, _, domain = recipient.strip().casefold().rpartition("@")
    name = local.partition("+")[0]
    is_known = domain == DOMAIN and name in Fault.__members__.values()
    return Fault(name) if is_known else Fault.DELIVER


def report_for(fault: Fault) -> tuple[str, str]:
    """Return status and detail that the callback carries."""
    return _REPORTS.get(fault, ("delivered", "accepted by the recipient's mailbox"))
