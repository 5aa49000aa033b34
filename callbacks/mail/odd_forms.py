"""Bounces without a report for machines: whom they speak of, from the words for people.

First flufl.bounce, which knows some forty servers by their words; then the forms that most
others share: an address at the beginning of a line, behind a word such as "recipient", or in the
transcript of the session.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from email import message_from_bytes, policy

from flufl.bounce import all_failures

from callbacks.mail import reasons, reports, words
from callbacks.mail.addresses import ADDRESS, QUOTED, all_addresses, is_robot, tidy
from callbacks.mail.opening import Opened
from callbacks.mail.reasons import Reason
from callbacks.mail.verdict import Action, Firmness, Recipient

MOST_LINES = 400
LONGEST_LINE = 1000
LONGEST_NOTICE = 12_000
"""So much of a notice is searched, in characters; the longest real ones have a third of it."""

LONGEST_FOR_FLUFL = 64 * 1024
LONGEST_LINE_FOR_FLUFL = 300
MOST_LINES_FOR_FLUFL = 1000
_LONG_RUN = re.compile(rb"([ \t>*_=.<@-])\1{80,}|[ \t]{80,}")
CONTEXT_LINES = 8

_ONE = rf"(?:{QUOTED}|{ADDRESS})"
_AT_THE_START = re.compile(
    rf"^[\s>*\"'•-]{{0,12}}(?P<found><?{_ONE}>?)[\"']?"
    rf"(?=\s*$|\s*[:;,(\[<]|\.\.\.|\s+-\s|\s+on\s|\s+<|\s+(?:invalid|unknown|user|no such|not)\b)",
    re.IGNORECASE,
)
_BEHIND_A_WORD = re.compile(
    r"\b(?:recipients?|addressed to|address|deliver(?:ed|y|ing)?|undeliverable|unknown user|user|"
    r"mailbox|reach|account|userid|attempts?|generated from|your mail|mail to|message to|for)\b"
    rf"[^@\n]{{0,48}}?(?P<found><?{_ONE}>?)",
    re.IGNORECASE,
)
_IN_A_TRANSCRIPT = re.compile(
    rf"(?:rcpt to:?\s*(?P<asked><?{_ONE}>?)|[45]\d\d[ -](?:[245]\.\d+\.\d+ )?(?P<said><{_ONE}>))",
    re.IGNORECASE,
)
_OF_OTHERS = words.phrases("of_somebody_else")
_RETURNED = re.compile(
    r"^(?:>\s?)?(?:received|return-path|dkim-signature|message-id|x-originating-ip|"
    r"authentication-results|x-sender|x-google-smtp-source):\s",
    re.IGNORECASE,
)
_RULE = re.compile(
    r"^[\s>]{0,20}(?:[-_=*]{2,80}.{0,120}\b(?:original|unsent|returned|copy|headers?)\b.*"
    r"|(?:original (?:message|mail)|message headers?|included is a copy)\b.*)$",
    re.IGNORECASE,
)

_LINES = re.IGNORECASE | re.MULTILINE
_STUMBLES = (RecursionError, LookupError, ValueError, TypeError, AttributeError)


def recipients_of(opened: Opened, raw: bytes, action: Action) -> list[Recipient]:
    """Return whom a bounce without a report speaks of, and why it came; empty for nobody."""
    lines = own_lines(opened.notice)
    found = _addresses(opened, raw, lines)
    failures = [
        reports.failure(address, action, None, _said(address, found, lines))
        for address in found[: reports.MOST_RECIPIENTS]
    ]
    return [_weighed(one, opened) for one in failures]


def _weighed(one: Recipient, opened: Opened) -> Recipient:
    """Return a failure as soft whose "unknown user" may be about the mail, or that nobody told.

    A report must say what became of each recipient (RFC 3464 §2.3): one that says it of nobody is
    broken, and no word for a mail having failed for good.
    """
    if opened.reports and one.reason == Reason.PERMANENT:
        return replace(one, reason=str(Reason.UNTOLD), verdict=Firmness.SOFT)
    if reasons.is_of_unknown_step(one.status, opened.notice):
        return reports.in_doubt(one)
    return one


def own_lines(notice: str) -> list[str]:
    """Return the lines of a notice that are its own: those before the mail that it returns."""
    lines = [line[:LONGEST_LINE] for line in notice[:LONGEST_NOTICE].splitlines()[:MOST_LINES]]
    for number, line in enumerate(lines):
        if _RETURNED.match(line) or (number and _RULE.match(line)):
            return lines[:number]
    return lines


def _addresses(opened: Opened, raw: bytes, lines: Sequence[str]) -> list[str]:
    """Return the failed addresses by the first way that finds any."""
    others = _of_others(opened)
    ways: tuple[Callable[[], list[str]], ...] = (
        lambda: all_addresses(", ".join(opened.headers.get("x-failed-recipients", ()))),
        lambda: _known(raw, "\n".join(lines)),
        lambda: _found(_AT_THE_START, lines),
        lambda: _found(_IN_A_TRANSCRIPT, lines),
        lambda: _found(_BEHIND_A_WORD, [opened.header("subject"), *lines]),
        lambda: _returned_to(opened),
    )
    for way in ways:
        found = [one for one in way() if one.lower() not in others and not is_robot(one)]
        if found:
            return found
    # Somebody who wrote to himself: the failed address is that of the reader.
    return [one for one in _found(_AT_THE_START, lines) if not is_robot(one)]


def _of_others(opened: Opened) -> set[str]:
    """Return addresses that are in it for another reason: its sender's and its reader's."""
    names = ("from", "to", "reply-to", "return-path")
    values = [value for name in names for value in opened.headers.get(name, ())]
    ids = re.findall(r"message-id:\s{0,4}<([^<>\s]{3,250})>", opened.notice, re.IGNORECASE)
    return {address.lower() for value in (*values, *ids) for address in all_addresses(value)}


def _known(raw: bytes, text: str) -> list[str]:
    """Ask flufl.bounce; in the order in which the addresses stand in the text."""
    # Some of its expressions take very long for long lines and long runs of one character.
    lines = _LONG_RUN.sub(rb"\1", raw[:LONGEST_FOR_FLUFL]).splitlines()
    short = b"\n".join(line[:LONGEST_LINE_FOR_FLUFL] for line in lines[:MOST_LINES_FOR_FLUFL])
    try:
        message = message_from_bytes(short, policy=policy.compat32)
        temporary, permanent = all_failures(message)
    except _STUMBLES:
        return []
    found = {tidy(item.decode("utf-8", "replace")) for item in (*temporary, *permanent)}
    lowered = text.lower()
    return sorted(
        (item for item in found if "@" in item),
        key=lambda item: (lowered.find(item.lower()) % (1 << 31), item),
    )


def _found(pattern: re.Pattern[str], lines: Iterable[str]) -> list[str]:
    matches = (
        match for line in lines if not _OF_OTHERS.search(line) for match in pattern.finditer(line)
    )
    named = (next(filter(None, match.groupdict().values())) for match in matches)
    return list(dict.fromkeys(map(tidy, named)))


def _returned_to(opened: Opened) -> list[str]:
    """Return whom the mail inside was for: the last resort."""
    for text in (*opened.returned, opened.notice):
        for name in ("x-receiver", "delivered-to", "to"):
            match = re.search(rf"^[ \t>]{{0,8}}{name}:(.*)$", text[:LONGEST_NOTICE], _LINES)
            if match:
                return all_addresses(match[1])[:1]
    return []


def _said(address: str, addresses: Sequence[str], lines: Sequence[str]) -> str:
    """Return what is said about one address; all that is said where that alone says nothing."""
    near = " ".join(_near(address, addresses, lines))
    if reasons.reason_of(None, near) not in reasons.NOT_STATED:
        return near
    replies = " ".join(line for line in lines if re.match(r"[\s<>]*[45]\d\d[ -]", line))
    for said in (replies, " ".join(lines)):
        if reasons.reason_of(None, said) not in reasons.NOT_STATED:
            return f"{near} {said}".strip()
    return near


def _near(address: str, addresses: Sequence[str], lines: Sequence[str]) -> Iterator[str]:
    """Return the lines from the address to the next one or to a gap behind what was said."""
    name = address.lower()
    others = {other.lower() for other in addresses} - {name}
    count = 0
    for line in lines:
        named = {found.lower() for found in all_addresses(line)} if "@" in line else set()
        if name in named:
            # In a transcript each line speaks of one address.
            count = max(count, 1) if re.match(r"\s*[45]\d\d[ -]", line) else CONTEXT_LINES
        elif named & others and "from" not in line.lower():
            count = 0
        if count:
            yield line.strip()
            count -= 1
