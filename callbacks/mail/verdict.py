"""What a mail was found to be."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a mail is; `own` is mail of ours that came back as it was."""

    BOUNCE = "bounce"
    DELAY = "delay"
    SUCCESS = "success"
    FEEDBACK = "feedback"
    AUTO_REPLY = "auto_reply"
    OWN = "own"
    ORDINARY = "ordinary"


class Firmness(StrEnum):
    """How final a failure is. `hard`: the address itself is no good; `none`: nothing failed."""

    HARD = "hard"
    SOFT = "soft"
    NONE = "none"


class Action(StrEnum):
    """What became of a mail for one recipient (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """What a mail says of one recipient.

    `status` is an enhanced status code (RFC 3463) that the mail states, None where it states none;
    `reason` is in our words, `diagnostic` in those of the other side. `said_by` is the host that
    said so; empty where nobody is named. `is_said_there`: it is named as the other side's
    (Remote-MTA), and not merely as the one that wrote the report. `rule` names the rule of staff
    that decided.
    """

    address: str
    action: Action
    status: str | None
    verdict: Firmness
    reason: str
    diagnostic: str = ""
    said_by: str = ""
    is_said_there: bool = False
    rule: str | None = None

    def to_json(self) -> dict[str, str | None]:
        """Return it as `mail explain` writes it."""
        return {
            "address": self.address,
            "status": self.status,
            "verdict": str(self.verdict),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What a mail is, whom it speaks of, and why we think so, line by line.

    `original_ids` are Message-IDs of the mail that it returns or answers; `problem` says why a
    mail cannot be read at all, such as "too large". `sender` is the domain that it is from, and
    `opening` its subject and first words; `rule` names the rule of staff that made it no bounce.
    """

    kind: Kind
    recipients: Sequence[Recipient] = ()
    why: Sequence[str] = ()
    original_ids: Sequence[str] = ()
    addressed_to: Sequence[str] = ()
    problem: str | None = field(default=None)
    sender: str = ""
    opening: str = ""
    rule: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return it as `mail explain` writes it."""
        return {
            "kind": str(self.kind),
            "recipients": [recipient.to_json() for recipient in self.recipients],
            "why": list(self.why),
        }
