"""Answers of mailing list programs: nobody has the mail, although no server refused it."""

from collections.abc import Sequence

import pytest

from callbacks.mail.understanding import understand
from callbacks.mail.verdict import Action, Kind
from tests.support.mailbox import mail

CLERK = "trade-admin@lists.example.org"
FML = [("X-MLServer", "fml [fml 4.0.3]")]
MAILMAN = [("List-Id", "<trade.lists>")]
RETURNED = (
    "--x\r\nContent-Type: text/plain\r\n\r\n{text}\r\n"
    "--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: Invoice\r\n\r\nhi\r\n--x--\r\n"
)


def answer(
    text: str,
    subject: str = "Your message",
    headers: Sequence[tuple[str, str]] = FML,
    sender: str = CLERK,
) -> bytes:
    raw = mail(subject, text, headers)
    return raw.replace(b"somebody@example.org", sender.encode(), 1)


@pytest.mark.parametrize(
    "raw",
    [
        answer("You are not a member of this mailing list <trade@lists.example.org>."),
        answer("Duplicated Message-ID in <trade@lists.example.org>.", "Loop Alert"),
        answer("Your message has been rejected by the moderator.", headers=MAILMAN),
        answer("You are not allowed to post to this mailing list.", headers=MAILMAN),
    ],
    ids=["no member", "loop", "rejected", "not allowed"],
)
def test_a_list_that_passes_nothing_on_is_a_soft_bounce(raw: bytes) -> None:
    found = understand(raw)

    assert found.kind is Kind.BOUNCE
    assert [(one.address, str(one.verdict)) for one in found.recipients] == [
        ("trade@lists.example.org", "soft")
    ]
    assert found.why[0] == "a mailing list did not pass the mail on"


def test_what_a_list_returns_needs_no_header_of_a_list() -> None:
    text = RETURNED.format(text="You are not allowed to post to this mailing list.")
    headers = [
        ("Precedence", "bulk"),
        ("Content-Type", "multipart/mixed; boundary=x"),
    ]

    assert understand(answer(text, "Invoice", headers)).kind is Kind.BOUNCE


def test_what_waits_for_a_moderator_is_late() -> None:
    text = "Is being held until the list moderator can review it for approval."

    found = understand(
        answer(text, "Your message to Trade awaits moderator approval", headers=MAILMAN)
    )

    assert found.kind is Kind.DELAY
    assert [one.action for one in found.recipients] == [Action.DELAYED]


@pytest.mark.parametrize(
    ("sender", "headers"),
    [("ann@example.org", MAILMAN), (CLERK, []), (CLERK, [("Precedence", "bulk")])],
    ids=["through a list", "no list", "bulk"],
)
def test_what_people_write_of_refusals_is_ordinary(
    sender: str, headers: list[tuple[str, str]]
) -> None:
    text = "I am not a member of your list, and my mail was rejected."

    raw = answer(text, headers=headers, sender=sender)

    assert understand(raw).kind is Kind.ORDINARY


def test_other_mails_of_a_list_are_ordinary() -> None:
    assert understand(answer("Welcome to the list.", headers=MAILMAN)).kind is Kind.ORDINARY
