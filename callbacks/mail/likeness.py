"""What makes mails alike: the same domain says the same, with the same status.

Where the host that refused is not named, the mail may be of a relay of ours, which speaks of the
whole world in the same words: then it must be about the same domain, too.

Words are alike when they are the same without addresses, hosts, ids, dates and numbers. Where the
other side says nothing of its own, subject and first words of the mail stand in their place.
"""

import re
from dataclasses import dataclass
from hashlib import sha256

from callbacks.mail.addresses import ADDRESS
from callbacks.mail.verdict import Recipient, Understood

LONGEST_TEMPLATE = 300
LONGEST_DOMAIN = 255
LONGEST_READ = 1200
"""Characters of what is said that count."""

FEWEST_WORDS = 2
"""So many words of its own make a diagnostic one to be known by."""

_LINK, _ADDRESS, _HOST, _NUMBER = "\ue000\ue001\ue002\ue003"
_SHOWN = {_LINK: "<link>", _ADDRESS: "<address>", _HOST: "<host>", _NUMBER: "#"}
"""Signs that no text has, for what differs from mail to mail, and how people read them."""

_MARKS = frozenset(_SHOWN.values())
_STEPS = tuple(
    (re.compile(pattern, re.IGNORECASE), mark)
    for pattern, mark in (
        (r"^\s*[a-z0-9-]{1,20};", ""),
        (r"https?://\S{1,500}", _LINK),
        (r"<[^<>\s]{1,320}>", _ADDRESS),
        (ADDRESS, _ADDRESS),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}\b", _HOST),
        (r"(?<![\w.])#?[245]\.\d{1,3}\.\d{1,3}(?![\w.])", ""),
        (r"\b(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}\b", _HOST),
        (r"\b(?:mon|tue|wed|thu|fri|sat|sun)(?:[a-z]{2,6}day)?\b", ""),
        (r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\b", ""),
        (r"\w{0,80}\d\w{0,80}", _NUMBER),
    )
)
_WORD = re.compile(r"[^\W_]+|[\ue000-\ue003]")
_SHORT_SECOND_LEVEL = 3
_COUNTRY = 2


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a mail has in common with its like; `status` is empty where none is stated."""

    said_by: str
    status: str
    template: str

    @property
    def mark(self) -> str:
        """The hash by which rules and stored mails are found."""
        whole = f"{self.said_by}\n{self.status}\n{self.template}"
        return sha256(whole.encode("utf-8", "replace")).hexdigest()


def of(mail: Understood, one: Recipient | None) -> Likeness:
    """Return what mails like this, about a recipient like this one, have in common."""
    template = template_of(one.diagnostic) if one else ""
    if not _says_something(template):
        template = template_of(mail.opening)
    return Likeness(_speaker(mail, one)[:LONGEST_DOMAIN], _status(one), template)


def _speaker(mail: Understood, one: Recipient | None) -> str:
    """Return who says so, and of which domain where that may be anybody's."""
    said_by = domain_of(one.said_by if one and one.said_by else mail.sender)
    if one is None or one.is_said_there:
        return said_by
    about = domain_of(one.address.rpartition("@")[2])
    return f"{said_by}, of {about}" if about else said_by


def _status(one: Recipient | None) -> str:
    return (one.status or "") if one else ""


def template_of(text: str) -> str:
    """Return what is said without what differs from mail to mail."""
    text = text[:LONGEST_READ].lower()
    for pattern, mark in _STEPS:
        text = pattern.sub(f" {mark} ", text)
    words: list[str] = []
    for found in _WORD.findall(text):
        word = _SHOWN.get(found, found)
        # How many numbers or addresses stand in a row differs, too.
        if not (words and word == words[-1] and word in _MARKS):
            words.append(word)
    return " ".join(words)[:LONGEST_TEMPLATE]


def domain_of(host: str) -> str:
    """Return the domain that hosts share: `mx1.mail.example.co.uk` is of `example.co.uk`."""
    labels = host.lower().strip(".").split(".")
    if len(labels) <= _COUNTRY:
        return ".".join(labels)
    is_shared = len(labels[-1]) == _COUNTRY and len(labels[-2]) <= _SHORT_SECOND_LEVEL
    return ".".join(labels[-3:] if is_shared else labels[-2:])


def _says_something(template: str) -> bool:
    return len([word for word in template.split() if word not in _MARKS]) >= FEWEST_WORDS
