"""What mailing list programs answer: that they did not pass a mail on, or hold it for a person.

Nobody has an invoice then, although no mail server refused it. Such an answer looks like the mail
of a person; it is told apart by who writes it: the list's address for its business, with headers
that programs add.
"""

import re

from callbacks.mail import words
from callbacks.mail.addresses import all_addresses, first_address
from callbacks.mail.odd_forms import own_lines
from callbacks.mail.opening import Opened
from callbacks.mail.reasons import Reason
from callbacks.mail.verdict import Action, Firmness, Recipient

_REFUSED = words.phrases("a_list_refused_it")
_HELD = words.phrases("a_list_holds_it")
_CLERK = re.compile(
    r"^(?P<list>[^@\s]{1,64}?)-(?:admin|owner|request|bounces)@(?P<domain>\S{1,253})$",
    re.IGNORECASE,
)
_MARKS = ("list-", "x-list-", "x-ml", "mailing-list", "x-mailing-list", "x-beenthere")


def answer_of(opened: Opened) -> Recipient | None:
    """Return which list did not pass a mail on and why; None for any other mail."""
    clerk = _CLERK.match(first_address(opened.header("from")) or "")
    if clerk is None or not _is_of_a_program(opened):
        return None
    said = "\n".join([opened.header("subject"), *own_lines(opened.notice)])
    is_held = bool(_HELD.search(said))
    if not is_held and not _REFUSED.search(said):
        return None
    return Recipient(
        address=_named(opened, said) or f"{clerk['list']}@{clerk['domain']}",
        action=Action.DELAYED if is_held else Action.FAILED,
        status=None,
        verdict=Firmness.SOFT,
        reason=str(Reason.TEMPORARY if is_held else Reason.NOT_WANTED),
        diagnostic=" ".join(said.split())[:500],
    )


def _is_of_a_program(opened: Opened) -> bool:
    """Tell whether a list program wrote it; to what it returns, Mailman 3 adds no header of its."""
    is_return = opened.header("precedence").lower() == "bulk" and bool(opened.returned)
    return is_return or any(name.startswith(_MARKS) for name in opened.headers)


def _named(opened: Opened, said: str) -> str | None:
    """Return the list's address where the answer names it: the first of nobody's else."""
    readers = {one.lower() for name in ("to", "cc") for one in all_addresses(opened.header(name))}
    named = (one for one in all_addresses(said) if one.lower() not in readers)
    return next((one for one in named if not _CLERK.match(one)), None)
