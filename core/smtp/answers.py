"""What became of a mail."""

from dataclasses import dataclass
from enum import StrEnum

LONGEST_TEXT = 1000


class Verdict(StrEnum):
    """How the sending of one mail ended.

    `accepted`: the server has it, for at least one recipient. `refused`: this mail is not taken,
    and trying it again changes nothing. `temporary`: not taken now. `misconfigured`: our own
    server, sender or login is not right. `unknown`: the whole mail was handed over and no answer
    came, so it may have arrived.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    TEMPORARY = "temporary"
    MISCONFIGURED = "misconfigured"
    UNKNOWN = "unknown"


class Stage(StrEnum):
    """How far the sending came."""

    CONNECTING = "connecting"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A recipient that the server does not take, with its reply code and words."""

    recipient: str
    code: int
    text: str

    @property
    def is_temporary(self) -> bool:
        """Tell whether the server may take it later (RFC 5321 §4.2.1)."""
        return self.code < 500  # noqa: PLR2004 - the first digit of a reply

    def __str__(self) -> str:
        return f"{self.recipient}: {self.code} {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How the sending of one mail ended, and why.

    `code` is the server's last reply, None where it gave none or was not asked; `text` its words,
    or ours. `refused` are the recipients that it did not take: with the verdict `accepted` the
    others have it.
    """

    verdict: Verdict
    stage: Stage
    text: str
    code: int | None = None
    refused: tuple[Refusal, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Tell whether the server has taken the mail for somebody."""
        return self.verdict is Verdict.ACCEPTED

    @property
    def may_have_arrived(self) -> bool:
        """Tell whether the whole mail left and nobody knows what became of it."""
        return self.verdict is Verdict.UNKNOWN

    @property
    def words(self) -> str:
        """Return code and text in one line."""
        return f"{self.code} {self.text}".strip() if self.code else self.text


class SmtpError(Exception):
    """A mail cannot go on; `answer` says how it ends. Never leaves `core.smtp`."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.words)
        self.answer = answer
