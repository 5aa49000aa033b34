"""Delivery status notifications (RFC 3464), also where they stand in the text itself."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from callbacks.mail import fields, reasons
from callbacks.mail.addresses import first_address
from callbacks.mail.fields import Fields
from callbacks.mail.reasons import Reason
from callbacks.mail.verdict import Action, Firmness, Recipient

MOST_RECIPIENTS = 100

_STATUS = re.compile(r"([245])[.](\d{1,3})[.](\d{1,3})")
_HOST = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z][A-Za-z0-9-]{1,62}")
_ACTIONS = {
    "failed": Action.FAILED,
    "failure": Action.FAILED,
    "fail": Action.FAILED,
    "delayed": Action.DELAYED,
    "delivered": Action.DELIVERED,
    "deliverable": Action.DELIVERED,
    "relayed": Action.RELAYED,
    "expanded": Action.EXPANDED,
}
_BY_CLASS = {"2": Action.DELIVERED, "4": Action.DELAYED, "5": Action.FAILED}


def recipients_of(reports: Sequence[str], notice: str) -> list[Recipient]:
    """Return what the reports say of each recipient, in their order; each address once.

    `notice`, the text for people, often says why where the report only says that.
    """
    found: dict[str, Recipient] = {}
    for report in reports:
        reporter = ""
        for block in fields.blocks(report):
            reporter = block.get("reporting-mta", reporter)
            recipient = _recipient(block, notice)
            if recipient is not None and len(found) < MOST_RECIPIENTS:
                there = _host(block.get("remote-mta", ""))
                recipient = replace(
                    recipient, said_by=there or _host(reporter), is_said_there=bool(there)
                )
                found.setdefault(recipient.address.lower(), recipient)
    return list(found.values())


def _host(value: str) -> str:
    """Return the name in a field such as `dns; mx.example.org`; empty for a mere number."""
    match = _HOST.search(value.rpartition(";")[2])
    return match[0].lower() if match else ""


def _recipient(block: Fields, notice: str) -> Recipient | None:
    address = _address(block)
    if address is None:
        return None
    stated = _STATUS.match(block.get("status", "").strip())
    action = _action(block, stated[1] if stated else None)
    if action is None:
        return None
    diagnostic = _diagnostic(block)
    if action not in {Action.FAILED, Action.DELAYED}:
        return Recipient(
            address=address,
            action=action,
            status=stated[0] if stated else None,
            verdict=Firmness.NONE,
            reason=str(action),
            diagnostic=diagnostic,
        )
    words, around = diagnostic, " ".join(_lines_about(address, notice))
    if not _says_anything(words):
        words = f"{words} {around}"
    found = failure(address, action, stated[0] if stated else None, words, around)
    return in_doubt(found) if reasons.is_contradicted(found.status, words, notice) else found


def in_doubt(one: Recipient) -> Recipient:
    """Return a failure as one of the mail, where its "unknown user" may mean that."""
    if one.reason != Reason.UNKNOWN_USER or one.verdict is not Firmness.HARD:
        return one
    return replace(one, reason=str(Reason.NOT_WANTED), verdict=Firmness.SOFT)


def failure(
    address: str, action: Action, status: str | None, words: str, around: str = ""
) -> Recipient:
    """Build the verdict on a recipient for whom the mail failed or is late."""
    status = _better(status, words)
    reason = reasons.reason_of(status, words, around)
    firmness = reasons.firmness_of(reason, status)
    if action is Action.DELAYED:
        reason = Reason.TEMPORARY if reason in reasons.NOT_STATED else reason
        firmness = Firmness.SOFT
    return Recipient(
        address=address,
        action=action,
        status=status,
        verdict=firmness,
        reason=str(reason),
        diagnostic=words.strip()[:500],
    )


def _better(status: str | None, words: str) -> str | None:
    """Return the most telling status: what the other server said before what ours made of it."""
    said = next(iter(reasons.statuses(words)), None)
    if status is None or status.endswith(".0.0"):
        return said or status or _by_reply(words)
    return status


def _by_reply(words: str) -> str | None:
    code = reasons.reply_code(words)
    return f"{code[0]}.0.0" if code else None


def _address(block: Fields) -> str | None:
    """Return the address that failed, as it was written on our mail where that is stated."""
    for name in ("original-recipient", "final-recipient", "x-actual-recipient"):
        value = block.get(name)
        if value:
            found = first_address(value.rpartition(";")[2]) or first_address(value)
            if found:
                return found
    return None


def _action(block: Fields, status_class: str | None) -> Action | None:
    """Return what became of it: as stated, else by the class of the status."""
    words = re.findall(r"[a-z]+", block.get("action", "").lower())
    stated = next((_ACTIONS[word] for word in words if word in _ACTIONS), None)
    if stated is not None:
        return stated
    if status_class is not None:
        return _BY_CLASS[status_class]
    return Action.FAILED if "diagnostic-code" in block else None


def _diagnostic(block: Fields) -> str:
    code = block.get("diagnostic-code", "")
    comments = " ".join(
        re.findall(r"\(([^()]{3,200})\)", f"{block.get('action', '')} {block.get('status', '')}")
    )
    return f"{code} {comments}".strip()


def _says_anything(words: str) -> bool:
    """Tell whether a diagnostic has words of its own, not only `SMTP;` or a number."""
    return len(re.findall(r"[A-Za-z]{3,}", words.partition(";")[2] or words)) > 1


def _lines_about(address: str, notice: str) -> Iterator[str]:
    """Return the lines of the notice that follow the address, and what the servers said."""
    lines = notice.splitlines()
    name = address.lower()
    for number, line in enumerate(lines):
        if name in line.lower():
            yield from lines[number : number + 6]
            break
    yield from (line for line in lines if re.match(r"\s*(?:>>>|<<<|[45]\d\d[ -])", line))
