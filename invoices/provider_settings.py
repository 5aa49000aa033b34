"""The settings that a provider may have beside its columns, and what each may say."""

import re
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from core import mail_token
from core.errors import Finding, InputError
from core.pointers import is_pointer
from core.setting_values import closest
from core.smtp.addresses import Mailbox
from invoices import rating
from invoices.models import ChannelName

LONGEST_TIMEOUT_SECONDS = 30.0
LONGEST_NAME = 120
LONGEST_SENDER_DOMAIN = 140
"""So that a Message-ID fits into the column of references."""

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")


def _is_header(text: str) -> bool:
    """Tell whether `text` can be a header's name (RFC 9110 §5.1)."""
    return _HEADER.fullmatch(text) is not None


def _is_timeout(text: str) -> bool:
    """Tell whether `text` is a number of seconds that a whole call may take."""
    try:
        return 0 < float(text) <= LONGEST_TIMEOUT_SECONDS
    except ValueError:
        return False


def _is_rate(text: str) -> bool:
    """Tell whether `text` is a number of deliveries in a minute."""
    return re.fullmatch(r"[1-9][0-9]{0,5}", text) is not None and int(text) <= rating.LARGEST


def _is_address(text: str) -> bool:
    """Tell whether `text` is a mail address and nothing else."""
    try:
        Mailbox.of(text)
    except InputError:
        return False
    return True


def _is_sender(text: str) -> bool:
    """Tell whether mails can be sent from `text`."""
    try:
        box = Mailbox.of(text)
    except InputError:
        return False
    return text.isascii() and len(box.domain) <= LONGEST_SENDER_DOMAIN


def has_room_for_token(address: str) -> bool:
    """Tell whether bounces can come to an address with our token in front of its @."""
    try:
        mail_token.envelope_sender("", UUID(int=0), address)
    except InputError:
        return False
    return True


def _takes_bounces(text: str) -> bool:
    """Tell whether bounces can come to `text`."""
    return _is_sender(text) and has_room_for_token(text)


def _is_name(text: str) -> bool:
    """Tell whether `text` can stand in front of an address, on one line."""
    return 1 <= len(text) <= LONGEST_NAME and text.isprintable()


_POINTER = ("a JSON pointer such as /id", is_pointer)
_NAME = ("a header's name", _is_header)
ROOM_FOR_BOUNCES = "an ASCII mail address with at most 21 characters before its @, for a token"

KNOWN: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "timeout_seconds": ("seconds, more than 0 and at most 30", _is_timeout),
    "auth_header": _NAME,
    "reference_pointer": _POINTER,
    "callback_reference_pointer": _POINTER,
    "callback_status_pointer": _POINTER,
    "callback_occurred_at_pointer": _POINTER,
    "callback_detail_pointer": _POINTER,
    "callback_header": _NAME,
    "callback_timestamp_header": _NAME,
    "callback_form": ("plain or stripe", {"plain", "stripe"}.__contains__),
    rating.SETTING: (f"a whole number from 1 to {rating.LARGEST:,}, without dots", _is_rate),
    "mail_from": ("a mail address in ASCII, and nothing else", _is_sender),
    "bounces_to": (ROOM_FOR_BOUNCES, _takes_bounces),
    "sender_name": (f"one line of at most {LONGEST_NAME} characters", _is_name),
    "reply_to": ("one mail address", _is_address),
    "attach_pdf": ("yes or no", {"yes", "no"}.__contains__),
}
"""Name → what it must be, and how that is checked. docs/providers.md says what each does."""

OF_MAIL = frozenset({"mail_from", "bounces_to", "sender_name", "reply_to", "attach_pdf"})
"""What means something to the channel smtp alone."""

OF_HTTP = frozenset({"auth_header", "reference_pointer"})
"""What means nothing to it."""


def known_to(channel: str) -> list[str]:
    """Return the names of the settings that mean something to a provider on `channel`."""
    foreign = OF_HTTP if channel == ChannelName.SMTP else OF_MAIL
    return [name for name in KNOWN if name not in foreign]


def findings(settings: Mapping[str, str], channel: str = ChannelName.HTTP) -> list[Finding]:
    """Return what is wrong with the settings of a provider on `channel`."""
    known = known_to(channel)
    return [
        Finding(f"/settings/{name}", "provider-setting", problem)
        for name, value in settings.items()
        if (problem := _problem(name, value, known)) is not None
    ]


def _problem(name: str, value: str, known: Sequence[str]) -> str | None:
    if name not in known:
        meant = closest(name, list(known))
        return f"there is no setting {name} here{meant}; known: {', '.join(known)}"
    must_be, is_right = KNOWN[name]
    return None if is_right(value) else f"{name} must be {must_be}"
