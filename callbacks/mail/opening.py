"""Opening a mail: its headers, the words for people, the reports for machines, what it returns.

Made for mails that nobody can trust: sizes, numbers of parts and nesting are bounded, a message
inside a message is read as text, and nothing that the standard parser meets ends the reading.
The parser runs with the policy compat32: the default one takes seconds for a header of 20 kB and
raises on nested parts, unknown charsets and odd Message-IDs.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email import policy
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser

LONGEST = 256 * 1024
"""Bytes that are read behind the headers: what reports say stands before what they return."""

LONGEST_HEAD = 512 * 1024
LONGEST_HEADER = 2000
MOST_PARTS = 100
MOST_BOUNDARIES = 5000
DEEPEST = 20
LONGEST_TEXT = 64 * 1024

_STUMBLES = (RecursionError, LookupError, ValueError, TypeError, AttributeError)
"""What the standard parser makes of mails that break the rules."""

_CONTAINER = re.compile(rb"^content-type:\s*multipart/", re.IGNORECASE | re.MULTILINE)
_CHARSET = re.compile(r"charset\*?\s*=\s*[\"']?(?:[\w.-]*'[\w-]*')?([\w.:-]{1,40})", re.IGNORECASE)
_TAG = re.compile(r"<(?:/?[a-zA-Z!][^<>]{0,2000})>")
_BREAK = re.compile(r"<(?:br|/?p|/?div|/?tr|/?li|/?table|/?h\d)\b[^<>]{0,500}>", re.IGNORECASE)
_HIDDEN = re.compile(r"<(style|script|head)\b", re.IGNORECASE)
_ADDRESS_IN_TAG = re.compile(r"<([\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w.-]{1,253})>")

REPORTS = frozenset(
    {
        "message/delivery-status",
        "message/global-delivery-status",
        "message/x-delivery-status",
    }
)
RETURNED = frozenset(
    {
        "message/rfc822",
        "message/global",
        "text/rfc822-headers",
        "text/rfc822-header",
        "message/rfc822-headers",
        "message/global-headers",
        "message/partial",
    }
)


# A container whose boundary is nowhere to be found holds its parts as text.
_READABLE = ("text/", "message/", "multipart/")


class TooMuchError(Exception):
    """The mail is beyond what is read; the message says in which way."""


class _Part(Message):
    """A part that never has a message inside: what stands in `message/…` is kept as text."""

    def get_content_type(self) -> str:
        """Return the type as the parser is to see it."""
        declared = self.declared_type()
        return "text/plain" if declared.startswith("message/") else declared

    def declared_type(self) -> str:
        """Return the type that the part says it has."""
        return super().get_content_type()


@dataclass(frozen=True, slots=True)
class Opened:
    """The pieces of a mail. Names of `headers` are in lower case, each with all its values.

    `notice` is what is written for people; `returned` is the beginning of each mail inside.
    """

    headers: Mapping[str, Sequence[str]]
    content_type: str
    report_type: str
    notice: str
    reports: Sequence[str]
    feedback: Sequence[str]
    returned: Sequence[str]
    has_html_only: bool = field(default=False)

    def header(self, name: str) -> str:
        """Return the first header of a name; empty when there is none."""
        return next(iter(self.headers.get(name, ())), "")


def open_mail(raw: bytes) -> Opened:
    """Take a mail apart.

    Raises:
        TooMuchError: its headers are too large, or it is nested too deeply.
    """
    unified = (
        raw[: LONGEST + LONGEST_HEAD + 1]
        .replace(b"\r\n", b"\n")
        .replace(b"\r", b"\n")
        .lstrip(b"\n")
    )
    head = unified.partition(b"\n\n")[0]
    if len(head) > LONGEST_HEAD:
        raise TooMuchError(f"too large: {len(head)} bytes of headers")
    unified = unified[: len(head) + LONGEST]
    if len(_CONTAINER.findall(unified)) > MOST_PARTS:
        raise TooMuchError(f"too deep: more than {MOST_PARTS} parts with parts")
    if unified.count(b"\n--") > MOST_BOUNDARIES:
        raise TooMuchError(f"too many parts: more than {MOST_BOUNDARIES}")
    try:
        message = BytesParser(_Part, policy=policy.compat32).parsebytes(unified)
        return _gathered(message)
    except RecursionError:
        raise TooMuchError("too deep: parts inside parts inside parts") from None


def _gathered(message: Message) -> Opened:
    plain, rich, reports, feedback, returned = [], [], [], [], []
    for part in _leaves(message):
        kind = _declared(part)
        if kind in RETURNED:
            returned.append(text_of(part))
        elif kind in REPORTS:
            reports.append(text_of(part))
        elif kind == "message/feedback-report":
            feedback.append(text_of(part))
        elif kind == "text/html":
            rich.append(plain_of_html(text_of(part)))
        elif kind.startswith(_READABLE) and not _is_attachment(part):
            plain.append(text_of(part))
    notice = "\n".join(plain)
    if not notice.strip() or _is_mere_hint(notice, rich):
        notice = "\n".join([notice, *rich])
    return Opened(
        headers=_headers(message),
        content_type=_declared(message),
        report_type=_parameter(message, "report-type"),
        notice=notice[:LONGEST_TEXT],
        reports=reports,
        feedback=feedback,
        returned=returned,
        has_html_only=not plain and bool(rich),
    )


def _is_mere_hint(notice: str, rich: Sequence[str]) -> bool:
    """Tell whether the plain text holds no address and the other form does."""
    return "@" not in notice and any("@" in text for text in rich)


def _leaves(message: Message) -> Iterator[Message]:
    """Return the parts without parts, in order; as many as are read, and no deeper."""
    waiting: list[tuple[Message, int]] = [(message, 0)]
    for _ in range(MOST_PARTS):
        if not waiting:
            return
        part, depth = waiting.pop()
        content = part.get_payload()
        if not isinstance(content, list):
            yield part
        elif depth >= DEEPEST:
            raise TooMuchError(f"too deep: more than {DEEPEST} levels of parts")
        else:
            inner = [item for item in content if isinstance(item, Message)]
            waiting += [(item, depth + 1) for item in reversed(inner)]


def _declared(part: Message) -> str:
    try:
        return part.declared_type() if isinstance(part, _Part) else part.get_content_type()
    except _STUMBLES:
        return "text/plain"


def _parameter(part: Message, name: str) -> str:
    try:
        found = part.get_param(name)
    except _STUMBLES:
        return ""
    return str(found[2] if isinstance(found, tuple) else found or "").lower()


def _is_attachment(part: Message) -> bool:
    return str(part.get("content-disposition", "")).lower().lstrip().startswith("attachment")


def text_of(part: Message) -> str:
    """Return a part's text; what cannot be decoded is replaced."""
    try:
        content = part.get_payload(decode=True)
    except _STUMBLES:
        content = str(part.get_payload()).encode("utf-8", "surrogateescape")
    if not isinstance(content, bytes):
        return ""
    match = _CHARSET.search(str(part.get("content-type", ""))[:LONGEST_HEADER])
    return decoded(content[: LONGEST_TEXT * 4], match[1] if match else "utf-8")


def decoded(content: bytes, charset: str) -> str:
    """Return bytes as text; an unknown charset is read as UTF-8."""
    try:
        return content.decode(charset, "replace")
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")


def plain_of_html(text: str) -> str:
    """Return the words of a page, with its line breaks."""
    text = _ADDRESS_IN_TAG.sub(r" \1 ", _without_hidden(text[: LONGEST_TEXT * 4]))
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", text)))


def _without_hidden(text: str) -> str:
    """Return a page without what no reader sees; from an element without an end on, nothing."""
    shown, at, lowered = [], 0, text.lower()
    while match := _HIDDEN.search(text, at):
        shown.append(text[at : match.start()])
        end = lowered.find(f"</{match[1].lower()}", match.end())
        if end < 0:
            return " ".join(shown)
        at = end
    return " ".join([*shown, text[at:]])


def _headers(message: Message) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in message.items():
        found.setdefault(name.lower(), []).append(header_text(value))
    return found


def header_text(value: object) -> str:
    """Return a header on one line, encoded words decoded (RFC 2047)."""
    text = str(value)[:LONGEST_HEADER]
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if "=?" in text:
        try:
            text = "".join(_word(word, charset) for word, charset in decode_header(text))
        except _STUMBLES:
            return " ".join(text.split())
    return " ".join(text.split())


def _word(word: bytes | str, charset: str | None) -> str:
    return word if isinstance(word, str) else decoded(word, charset or "ascii")
