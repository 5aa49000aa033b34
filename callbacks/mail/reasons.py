"""Why a mail failed: the words of the other side, in a word of ours, and whether it is final.

Hard is what says that the address itself is no good: nobody of that name, no such domain, moved,
takes no mail. Everything else may pass, or has to do with what was sent or who sent it: soft,
although servers call most of it permanent. A failure for which nobody gives a reason is believed
to be what it says it is, permanent.
"""

import re
from collections.abc import Iterator
from enum import StrEnum

from callbacks.mail import words
from callbacks.mail.addresses import ADDRESS
from callbacks.mail.verdict import Firmness


class Reason(StrEnum):
    """Why, for people."""

    UNKNOWN_USER = "no such mailbox"
    UNKNOWN_HOST = "no such domain"
    MOVED = "moved to another address"
    TAKES_NO_MAIL = "the domain takes no mail"
    FULL = "the mailbox is full"
    TOO_LARGE = "the mail is too large"
    DISABLED = "the mailbox is disabled"
    NOT_WANTED = "the recipient's server does not want this mail"
    SENDER = "the recipient's server does not trust the sender"
    EXPIRED = "given up after trying for too long"
    NETWORK = "the network or the server failed"
    SYSTEM = "an error on the other side"
    PERMANENT = "refused for good, no reason is stated"
    TEMPORARY = "delayed, no reason is stated"
    UNCLEAR = "refused in words that Kuvert does not know"
    UNTOLD = "its report says of nobody what happened"


HARD = frozenset(
    {
        Reason.UNKNOWN_USER,
        Reason.UNKNOWN_HOST,
        Reason.MOVED,
        Reason.TAKES_NO_MAIL,
        Reason.PERMANENT,
    }
)

NOT_STATED = frozenset({Reason.PERMANENT, Reason.UNCLEAR})
"""What a failure is of which nothing is known but that it is one."""

_PATTERNS = tuple((Reason[name], pattern) for name, pattern in words.reasons())

_BY_STATUS = {
    "1.0": Reason.UNKNOWN_USER,
    "1.1": Reason.UNKNOWN_USER,
    "1.2": Reason.UNKNOWN_HOST,
    "1.3": Reason.UNKNOWN_USER,
    "1.4": Reason.UNKNOWN_USER,
    "1.6": Reason.MOVED,
    "1.7": Reason.SENDER,
    "1.8": Reason.SENDER,
    "1.10": Reason.TAKES_NO_MAIL,
    "2.1": Reason.DISABLED,
    "2.2": Reason.FULL,
    "2.3": Reason.TOO_LARGE,
    "3.4": Reason.TOO_LARGE,
    "4.4": Reason.UNKNOWN_HOST,
    "4.7": Reason.EXPIRED,
}
_BY_SUBJECT = {
    "2": Reason.NOT_WANTED,
    "3": Reason.SYSTEM,
    "4": Reason.NETWORK,
    "5": Reason.SYSTEM,
    "6": Reason.NOT_WANTED,
    "7": Reason.NOT_WANTED,
}
"""By class and detail of RFC 3463; what is not listed says nothing about the cause."""

_STATUS = re.compile(r"(?<![\d.#])#?([245])[.](\d{1,3})[.](\d{1,3})(?![\d.])")
_REPLY = re.compile(r"(?<![\d.])([45]\d\d)(?=[ -](?!\d+ (?:second|day|hour)))")
_ANSWER = re.compile(r"^\s{0,8}[\w-]{1,20};|(?<![\d.])[45]\d\d[ -]")
_NAMES = re.compile(rf"{ADDRESS}|(?:[\w-]{{1,63}}\.){{1,8}}[a-z]{{2,24}}\b", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d_]{4,40}")
_EMPTY_WORDS = frozenset(
    ["delivery", "error", "failed", "failure", "mail", "message", "permanent", "undeliverable"]
)
_LONGEST_ANSWER = 300
_AFTER_DATA = words.phrases("after_the_text")
_BEFORE_RCPT = words.phrases("before_the_recipient")
# Where commands are sent in one go, the answer to RCPT stands behind DATA.
_PIPELINED = words.phrases("in_one_go")
# "Need RCPT" is the answer to a DATA that came too early.
_RCPT = re.compile(r"(?<!need )\brcpt\b|\blike (?:the |our )?recipient", re.IGNORECASE)
_ABOUT_AN_ADDRESS = frozenset({None, Reason.UNKNOWN_USER, Reason.UNKNOWN_HOST})
_VAGUE = frozenset({None, Reason.SYSTEM, Reason.NETWORK, Reason.EXPIRED})
_NAMELESS = re.compile(r"\b5\d\d ?:\s*user unknown", re.IGNORECASE)
_BARE = re.compile(r"\b5\d\d[ :-]{0,3}(?:user unknown|unknown user)\b(?!.{0,40}@)", re.IGNORECASE)
_NOT_ABOUT_A_NAME = (".2.", ".7.")
"""The mailbox exists, but …; a policy refused the mail (RFC 3463 §3.3, §3.8)."""


def statuses(text: str) -> Iterator[str]:
    """Return the enhanced status codes in a text (RFC 3463), in order."""
    return (f"{match[1]}.{match[2]}.{match[3]}" for match in _STATUS.finditer(text))


def reply_code(text: str) -> str | None:
    """Return the first SMTP reply code of a failure in a text; None when there is none."""
    match = _REPLY.search(text)
    return match[1] if match else None


def reason_of(status: str | None, said: str, around: str = "") -> Reason:
    """Return why, by the words of the other side and, where they say nothing, by its status.

    `around` is what stands beside the words: it may tell at which step of the session they fell.
    """
    found = next((reason for reason, pattern in _PATTERNS if pattern.search(said)), None)
    if found in _ABOUT_AN_ADDRESS and _BEFORE_RCPT.search(f"{said} {around}"):
        return Reason.SENDER
    if found is Reason.UNKNOWN_USER and _is_about_the_mail(status or "", f"{said} {around}"):
        return Reason.NOT_WANTED
    if found in _VAGUE and status:
        return _by_status(status) or found or _of_other_words(said)
    return found or _of_other_words(said)


def _of_other_words(said: str) -> Reason:
    """Return what a failure is whose words are in no list.

    Somebody who gives a reason may mean us as well as the address. Where a server says no more than
    that it is so, it is believed.
    """
    match = _ANSWER.search(said)
    rest = _NAMES.sub(" ", said[match.end() : match.end() + _LONGEST_ANSWER]) if match else ""
    own = {word.lower() for word in _WORDS.findall(rest)} - _EMPTY_WORDS
    return Reason.UNCLEAR if own else Reason.PERMANENT


def _is_about_the_mail(status: str, said: str) -> bool:
    """Tell whether "unknown user" means the mail and not the address.

    A server that took the address and says so only after the text has refused the text; carriers
    that filter for their customers do, and leave the name out. X.2.0 says that the mailbox is
    there; X.1.1 says that it is not, whenever that was found out.
    """
    if status.endswith(".1.1"):
        return False
    is_late = _AFTER_DATA.search(said) and not _PIPELINED.search(said)
    return bool(is_late or _NAMELESS.search(said)) or status.endswith(".2.0")


def is_of_unknown_step(recipient_status: str | None, notice: str) -> bool:
    """Tell whether a notice in words leaves open what the server's "unknown user" was an answer to.

    The answer to RCPT is about the address; one to DATA is about the mail, and some filters give it
    in the same words. X.1.1 and its like are about the address whenever they come, and where no
    server is quoted nobody speaks of a session.
    """
    if recipient_status is None or recipient_status[1:4] == ".1.":
        return False
    return _RCPT.search(notice) is None


def is_contradicted(status: str | None, said: str, notice: str) -> bool:
    """Tell whether a report's "unknown user" need not be about the address.

    So it is where its status says something else, or where those two words are all that the server
    said; unless the notice for people tells that it answered RCPT.
    """
    is_other = (status or "")[1:4] in _NOT_ABOUT_A_NAME
    if (status or "")[1:4] == ".1." or not (is_other or _BARE.search(said)):
        return False
    return _RCPT.search(notice) is None


def _by_status(status: str) -> Reason | None:
    _, _, rest = status.partition(".")
    return _BY_STATUS.get(rest) or _BY_SUBJECT.get(rest.partition(".")[0])


def firmness_of(reason: Reason, status: str | None) -> Firmness:
    """Return how final a failure is; what a server calls temporary is soft."""
    if status and status.startswith("4"):
        return Firmness.SOFT
    return Firmness.HARD if reason in HARD else Firmness.SOFT
