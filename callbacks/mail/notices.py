"""Notices of Amazon SES by mail: the same news as a bounce, in JSON."""

import json
import re
from collections.abc import Iterable, Mapping

from callbacks.mail import reports
from callbacks.mail.addresses import first_address
from callbacks.mail.verdict import Action, Firmness, Kind, Recipient, Understood

_KINDS = {
    "Bounce": (Kind.BOUNCE, "bounce", "bouncedRecipients"),
    "Complaint": (Kind.FEEDBACK, "complaint", "complainedRecipients"),
    "Delivery": (Kind.SUCCESS, "delivery", "recipients"),
}
_DECODER = json.JSONDecoder()


def understand(notice: str) -> Understood | None:
    """Read a notice; None for a text that is none."""
    news = _news(notice)
    if news is None:
        return None
    kind, name, list_name = _KINDS[str(news["notificationType"])]
    details = _mapping(news.get(name))
    listed = details.get(list_name)
    people = listed if isinstance(listed, list) else []
    found = [one for item in people if (one := _recipient(kind, item, details)) is not None]
    mail = _mapping(news.get("mail"))
    headers = _mapping(mail.get("commonHeaders"))
    return Understood(
        kind=kind,
        recipients=found[: reports.MOST_RECIPIENTS],
        why=[f"a notice of Amazon SES: {news['notificationType']}"],
        original_ids=[str(headers[key]) for key in ("messageId",) if headers.get(key)],
    )


def _news(notice: str) -> Mapping[str, object] | None:
    """Return the notification, also where it is text inside a message of Amazon SNS."""
    start = notice.find("{")
    if start < 0 or "notificationType" not in notice:
        return None
    # Long lines come folded, which no JSON has inside a string.
    found = _decoded(re.sub(r"\n ?", "", notice[start:])) or _decoded(notice[start:])
    if found and isinstance(found.get("Message"), str):
        found = _decoded(str(found["Message"]))
    return found if found and found.get("notificationType") in _KINDS else None


def _decoded(text: str) -> Mapping[str, object] | None:
    try:
        found, _ = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _recipient(kind: Kind, item: object, details: Mapping[str, object]) -> Recipient | None:
    person = _mapping(item)
    address = first_address(str(person.get("emailAddress", item)))
    if address is None:
        return None
    if kind is Kind.BOUNCE:
        status = next(iter(_statuses([person.get("status")])), None)
        return reports.failure(
            address, Action.FAILED, status, str(person.get("diagnosticCode", ""))[:500]
        )
    is_complaint = kind is Kind.FEEDBACK
    return Recipient(
        address=address,
        action=Action.DELIVERED,
        status=None if is_complaint else "2.0.0",
        verdict=Firmness.NONE,
        reason="complaint" if is_complaint else "delivered",
        diagnostic=str(details.get("smtpResponse", ""))[:500],
    )


def _statuses(values: Iterable[object]) -> list[str]:
    return [str(value) for value in values if re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", str(value))]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
