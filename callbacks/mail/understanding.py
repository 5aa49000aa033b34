"""What a mail is: bounce, delay, success, feedback, auto-reply, our own, or an ordinary mail."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from callbacks.mail import fields, lists, notices, odd_forms, reports, words
from callbacks.mail.addresses import all_addresses, first_address
from callbacks.mail.opening import Opened, TooMuchError, open_mail
from callbacks.mail.verdict import Action, Firmness, Kind, Recipient, Understood
from core import mail_token

OWN_HEADER = mail_token.HEADER.lower()

LONGEST_OPENING = 1000

_ROBOT = words.phrases("wrote_by_a_machine")
_FAILURE = words.phrases("says_it_failed")
_DELAY = words.phrases("says_it_is_late")
_COMPLAINT = words.phrases("is_a_complaint")
_AUTO_REPLY = words.phrases("is_an_auto_reply")
_REPLY_MARK = re.compile(r"^(?:re|aw|sv|antw):\s{0,4}|^\W{1,3}", re.IGNORECASE)
_FINAL = re.compile(r"permanent (?:error|failure)|given up|giving up", re.IGNORECASE)


def understand(raw: bytes) -> Understood:
    """Say what a mail is; never raises, whatever the bytes are."""
    try:
        opened = open_mail(raw)
    except TooMuchError as error:
        return Understood(kind=Kind.ORDINARY, why=[str(error)], problem=str(error))
    for look in _LOOKS:
        found = look(opened, raw)
        if found is not None:
            return found
    return _said(opened, Kind.ORDINARY, [], "nothing in it says that it is a report or a reply")


def _own(opened: Opened, _: bytes) -> Understood | None:
    if OWN_HEADER not in opened.headers:
        return None
    return _said(opened, Kind.OWN, [], f"it carries our own header {mail_token.HEADER}")


def _feedback(opened: Opened, _: bytes) -> Understood | None:
    """Complaints (ARF, RFC 5965), also where their type is not stated."""
    is_report = bool(opened.feedback) or opened.report_type == "feedback-report"
    if not is_report and not _COMPLAINT.search(opened.header("subject")):
        return None
    names = ("original-rcpt-to", "removal-recipient")
    values = [
        block[name]
        for text in opened.feedback
        for block in fields.blocks(text)
        for name in names
        if name in block
    ]
    people = list(dict.fromkeys(filter(None, map(first_address, values))))
    return _said(
        opened,
        Kind.FEEDBACK,
        [_without_failure(address, "complaint") for address in people[: reports.MOST_RECIPIENTS]],
        "it is a feedback report (RFC 5965)",
    )


def _report(opened: Opened, _: bytes) -> Understood | None:
    """Delivery status notifications (RFC 3464)."""
    where = "a report on the delivery (RFC 3464)"
    texts = list(opened.reports)
    if not texts and fields.has_report_lines(opened.notice):
        texts, where = [opened.notice], "a report on the delivery inside its text"
    found = reports.recipients_of(texts, opened.notice)
    if not found:
        return None
    return _said(opened, _kind_of(found), found, f"it holds {where}")


def _kind_of(recipients: list[Recipient]) -> Kind:
    actions = {recipient.action for recipient in recipients}
    if Action.FAILED in actions:
        return Kind.BOUNCE
    return Kind.DELAY if Action.DELAYED in actions else Kind.SUCCESS


def _json_notice(opened: Opened, _: bytes) -> Understood | None:
    found = notices.understand(opened.notice)
    return found and replace(found, sender=_sender(opened), opening=_opening(opened))


def _odd_bounce(opened: Opened, raw: bytes) -> Understood | None:
    """Bounces in words for people."""
    text = "\n".join(odd_forms.own_lines(opened.notice))
    clear, more = list(_clear_signs(opened, text)), list(_more_signs(opened))
    signs = [*clear, *more]
    # People write of mails that failed, too: it must also look like the work of a machine.
    if not clear or not (more or "auto-submitted" in opened.headers):
        return None
    is_delay = bool(_DELAY.search(f"{opened.header('subject')}\n{text}"))
    action = Action.DELAYED if is_delay and not _FINAL.search(text) else Action.FAILED
    found = odd_forms.recipients_of(opened, raw, action)
    is_report = opened.report_type == "delivery-status"
    if not found and not is_report and len(signs) < 3:  # noqa: PLR2004 - nobody failed
        return None
    kind = Kind.DELAY if action is Action.DELAYED else Kind.BOUNCE
    return _said(opened, kind, found, *signs)


def _clear_signs(opened: Opened, text: str) -> Iterator[str]:
    """Return what says that it is a bounce, a line for each sign."""
    if opened.report_type == "delivery-status":
        yield "it says that it is a report on a delivery"
    if "x-failed-recipients" in opened.headers:
        yield "it names failed recipients in its headers"
    if _FAILURE.search(opened.header("subject")) or _DELAY.search(opened.header("subject")):
        yield "its subject says that a mail was not delivered"
    if _FAILURE.search(text) or _DELAY.search(text):
        yield "its text says that a mail was not delivered"


def _more_signs(opened: Opened) -> Iterator[str]:
    """Return what bounces have and some other mails too."""
    sender = re.sub(r"[_.]", " ", opened.header("from"))
    if _ROBOT.search(sender) or opened.header("return-path") == "<>":
        yield "a mail system wrote it"
    elif not first_address(opened.header("from")):
        yield "nobody is named as its sender"
    if opened.returned:
        yield "it returns a mail"


def _list_answer(opened: Opened, _: bytes) -> Understood | None:
    """Answers of mailing list programs to a mail that they did not pass on."""
    found = lists.answer_of(opened)
    if found is None:
        return None
    return _said(opened, _kind_of([found]), [found], "a mailing list did not pass the mail on")


def _auto_reply(opened: Opened, _: bytes) -> Understood | None:
    """Replies that nobody wrote (RFC 3834)."""
    submitted = opened.header("auto-submitted").lower()
    why = None
    if submitted.startswith("auto-replied"):
        why = "it says that it is an automatic reply (Auto-Submitted)"
    elif _AUTO_REPLY.match(_REPLY_MARK.sub("", opened.header("subject"))):
        why = "its subject is that of an automatic reply"
    elif opened.headers.keys() & {"x-autoreply", "x-autorespond", "x-autoresponder"}:
        why = "it says that it is an automatic reply"
    elif opened.header("precedence").lower().replace("-", "_") == "auto_reply":
        why = "its precedence is that of an automatic reply"
    if why is None:
        return None
    return _said(opened, Kind.AUTO_REPLY, [], why)


_LOOKS: tuple[Callable[[Opened, bytes], Understood | None], ...] = (
    _own,
    _feedback,
    _report,
    _json_notice,
    _odd_bounce,
    _list_answer,
    _auto_reply,
)


def _without_failure(address: str, reason: str) -> Recipient:
    return Recipient(
        address=address, action=Action.DELIVERED, status=None, verdict=Firmness.NONE, reason=reason
    )


def _said(opened: Opened, kind: Kind, recipients: list[Recipient], *why: str) -> Understood:
    about = [
        f'of {one.address} it says: "{one.diagnostic[:200]}"'
        for one in recipients
        if one.diagnostic
    ]
    return Understood(
        kind=kind,
        recipients=recipients,
        why=[*why, *about],
        original_ids=_original_ids(opened),
        addressed_to=_addressed_to(opened),
        sender=_sender(opened),
        opening=_opening(opened),
    )


def _sender(opened: Opened) -> str:
    """Return the domain of whoever wrote it; empty when nobody is named."""
    return (first_address(opened.header("from")) or "").rpartition("@")[2].lower()


def _opening(opened: Opened) -> str:
    return f"{opened.header('subject')}\n{opened.notice[:LONGEST_OPENING]}"


def _original_ids(opened: Opened) -> list[str]:
    """Return the Message-IDs of what it returns or answers."""
    texts = [
        *(text for name in ("in-reply-to", "references") for text in opened.headers.get(name, ())),
        *(line for text in (*opened.returned, opened.notice) for line in _id_lines(text)),
    ]
    found = (match for text in texts for match in re.findall(r"<[^<>\s]{3,250}>", text))
    return list(dict.fromkeys(found))[:50]


def _id_lines(text: str) -> Iterator[str]:
    pattern = r"^[ \t>]{0,8}message-id:[ \t]{0,8}\n?[ \t]{0,8}(<[^<>\s]{3,250}>)"
    return (match[1] for match in re.finditer(pattern, text[:65536], re.IGNORECASE | re.MULTILINE))


def _addressed_to(opened: Opened) -> list[str]:
    """Return the addresses that it came to: ours, one of which may carry a token."""
    names = ("to", "delivered-to", "x-original-to", "envelope-to", "cc")
    values = [value for name in names for value in opened.headers.get(name, ())]
    return list(dict.fromkeys(one for value in values for one in all_addresses(value)))[:50]
