"""What mails are taken for, and why."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from callbacks.mail.understanding import understand
from callbacks.mail.verdict import Action, Kind, Understood
from core import mail_token
from core.ids import new_id
from core.settings import current
from tests.support.command import Manage
from tests.support.console import Console
from tests.support.mailbox import mail

DAEMON = ("From", "MAILER-DAEMON@mx.example.org")


def report(*blocks: str, notice: str = "It failed.", returned: str = "") -> bytes:
    """Write a delivery status notification."""
    body = (
        f"--x\r\nContent-Type: text/plain\r\n\r\n{notice}\r\n"
        "--x\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example.org\r\n\r\n"
        + "\r\n".join(blocks)
        + f"\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n{returned}\r\n--x--\r\n"
    )
    kind = "multipart/report; report-type=delivery-status; boundary=x"
    return mail("Undelivered Mail", body, [DAEMON, ("Content-Type", kind)])


def block(address: str, action: str, status: str, words: str = "") -> str:
    diagnostic = f"Diagnostic-Code: smtp; {words}\r\n" if words else ""
    recipient = f"Final-Recipient: rfc822; {address}\r\n"
    return f"{recipient}Action: {action}\r\nStatus: {status}\r\n{diagnostic}"


def odd(
    text: str, subject: str = "failure notice", headers: Sequence[tuple[str, str]] = ()
) -> bytes:
    return mail(subject, text, [("Return-Path", "<>"), *headers]).replace(
        b"somebody@example.org", b"MAILER-DAEMON@mx.example.org"
    )


def summary(found: Understood) -> list[tuple[str, str | None, str]]:
    return [(one.address, one.status, str(one.verdict)) for one in found.recipients]


# Reports


def test_a_report_of_a_failure_is_a_bounce() -> None:
    raw = report(
        block("a@example.com", "failed", "5.1.1", "550 5.1.1 <a@example.com>... User unknown")
    )

    found = understand(raw)

    assert found.kind is Kind.BOUNCE
    assert summary(found) == [("a@example.com", "5.1.1", "hard")]
    assert found.recipients[0].reason == "no such mailbox"
    assert found.why[0] == "it holds a report on the delivery (RFC 3464)"


def test_each_recipient_has_an_outcome_of_its_own() -> None:
    raw = report(
        block("late@example.com", "delayed", "4.4.1", "connection timed out"),
        block("gone@example.com", "failed", "5.1.1"),
    )

    found = understand(raw)

    assert found.kind is Kind.BOUNCE
    assert [(one.address, one.action) for one in found.recipients] == [
        ("late@example.com", Action.DELAYED),
        ("gone@example.com", Action.FAILED),
    ]


def test_a_delay_alone_is_a_delay_and_soft() -> None:
    found = understand(report(block("a@example.com", "delayed", "4.4.7")))

    assert found.kind is Kind.DELAY
    assert summary(found) == [("a@example.com", "4.4.7", "soft")]


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_a_success_is_a_success(action: str) -> None:
    found = understand(report(block("a@example.com", action, "2.0.0")))

    assert found.kind is Kind.SUCCESS
    assert summary(found) == [("a@example.com", "2.0.0", "none")]
    assert found.recipients[0].action == action


def test_the_address_that_we_wrote_on_the_mail_counts() -> None:
    fields = "Original-Recipient: rfc822; alias@example.com\r\n" + block(
        "x@inner", "failed", "5.1.1"
    )

    assert understand(report(fields)).recipients[0].address == "alias@example.com"


def test_a_report_without_a_status_part_is_read_in_its_words() -> None:
    body = "--x\r\nContent-Type: text/plain\r\n\r\n<a@example.com>: mailbox is full\r\n--x--\r\n"
    kind = "multipart/report; report-type=delivery-status; boundary=x"

    found = understand(odd(body, headers=[("Content-Type", kind)]))

    assert found.kind is Kind.BOUNCE
    assert summary(found) == [("a@example.com", None, "soft")]


def test_a_report_with_nothing_in_it_is_a_bounce_of_nobody() -> None:
    kind = "multipart/report; report-type=delivery-status; boundary=x"

    found = understand(odd("--x\r\n\r\n--x--", headers=[("Content-Type", kind)]))

    assert found.kind is Kind.BOUNCE
    assert found.recipients == []


# Hard and soft


@pytest.mark.parametrize(
    ("status", "words", "verdict", "reason"),
    [
        ("5.1.1", "550 5.1.1 User unknown", "hard", "no such mailbox"),
        ("5.0.0", "550 No such user here", "hard", "no such mailbox"),
        ("5.1.2", "550 Host unknown", "hard", "no such domain"),
        ("5.1.6", "550 5.1.6 recipient has moved", "hard", "moved to another address"),
        (
            "5.1.10",
            "556 the domain does not accept mail (null MX)",
            "hard",
            "the domain takes no mail",
        ),
        ("5.2.2", "552 5.2.2 Mailbox full", "soft", "the mailbox is full"),
        ("5.2.1", "550 5.2.1 account is disabled", "soft", "the mailbox is disabled"),
        ("5.3.4", "552 5.3.4 Message too large", "soft", "the mail is too large"),
        (
            "5.7.1",
            "554 5.7.1 listed by zen.spamhaus.org",
            "soft",
            "the recipient's server does not trust the sender",
        ),
        (
            "5.7.26",
            "550 5.7.26 DMARC policy",
            "soft",
            "the recipient's server does not trust the sender",
        ),
        (
            "5.7.0",
            "550 5.7.0 Virus detected",
            "soft",
            "the recipient's server does not want this mail",
        ),
        ("4.2.1", "450 4.2.1 user unknown for now", "soft", "no such mailbox"),
        ("5.4.7", "delivery time expired", "soft", "given up after trying for too long"),
        ("5.4.6", "554 5.4.6 Too many hops", "soft", "the network or the server failed"),
        ("5.0.0", "550 no", "hard", "refused for good, no reason is stated"),
    ],
)
def test_hard_is_what_says_that_the_address_is_no_good(
    status: str, words: str, verdict: str, reason: str
) -> None:
    [one] = understand(report(block("a@example.com", "failed", status, words))).recipients

    assert (one.verdict, one.reason) == (verdict, reason)


def test_an_unknown_user_after_the_text_is_a_refusal_of_the_text() -> None:
    words = "550 Unknown user a@example.com (in reply to end of DATA command)"

    [one] = understand(report(block("a@example.com", "failed", "5.0.0", words))).recipients

    assert (one.verdict, one.reason) == ("soft", "the recipient's server does not want this mail")


def test_a_refusal_before_the_recipient_was_named_is_about_the_sender() -> None:
    notice = (
        "<a@example.com>: host mx.example.com said: 550 Rejected (in reply to MAIL FROM command)"
    )
    raw = report(block("a@example.com", "failed", "5.0.0", "550 Rejected"), notice=notice)

    [one] = understand(raw).recipients

    assert (one.verdict, one.reason) == ("soft", "the recipient's server does not trust the sender")


# Other forms


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("550 user unknown", "soft"),
        ("550 5.2.1 user unknown", "soft"),
        ("550 5.1.1 user unknown", "hard"),
        ("user unknown", "hard"),
    ],
    ids=["reply", "status", "address", "nobody"],
)
def test_in_words_a_server_is_believed_where_it_answered_the_recipient(
    words: str, verdict: str
) -> None:
    text = f"A message could not be delivered.\r\n\r\n  a@example.com\r\n    {words}\r\n"

    [one] = understand(odd(text)).recipients

    assert one.verdict == verdict


@pytest.mark.parametrize(
    "text",
    [
        (
            "Hi. This is the qmail-send program.\r\n\r\n<a@example.com>:\r\n"
            "Sorry, no mailbox here by that name.\r\n"
        ),
        (
            "A message could not be delivered. The following address(es) failed:\r\n\r\n"
            "  a@example.com\r\n    SMTP error after RCPT TO:<a@example.com>: 550 user unknown\r\n"
        ),
        (
            "<a@example.com>:\r\n192.0.2.7 does not like recipient.\r\n"
            "Remote host said: 550 user unknown\r\n"
        ),
        (
            "There was an error delivering your mail to <a@example.com>.\r\n\r\n"
            "mx.example.com did not like our RCPT TO:\r\n550 <a@example.com>: User unknown\r\n"
        ),
        (
            "   ----- Transcript of session follows -----\r\n>>> RCPT TO:<a@example.com>\r\n"
            "<<< 550 No such user\r\n550 <a@example.com>... User unknown\r\n"
        ),
    ],
)
def test_bounces_in_words_are_understood(text: str) -> None:
    found = understand(odd(text))

    assert found.kind is Kind.BOUNCE
    assert [(one.address, str(one.verdict)) for one in found.recipients] == [
        ("a@example.com", "hard")
    ]


def test_what_is_returned_is_not_searched_for_addresses() -> None:
    text = (
        "<a@example.com>:\r\nuser unknown\r\n\r\n"
        "--- Below this line is a copy of the message.\r\n\r\n"
        "Received: from x\r\nTo: <other@example.com>\r\n\r\n<third@example.com>: user unknown\r\n"
    )

    assert [one.address for one in understand(odd(text)).recipients] == ["a@example.com"]


def test_a_warning_is_a_delay() -> None:
    text = "A message that you sent has not yet been delivered to:\r\n\r\n  a@example.com\r\n"

    found = understand(odd(text, "Warning: message delayed 24 hours"))

    assert found.kind is Kind.DELAY
    assert [str(one.verdict) for one in found.recipients] == ["soft"]


def test_a_notice_of_amazon_is_understood() -> None:
    news = {
        "notificationType": "Bounce",
        "bounce": {
            "bouncedRecipients": [
                {
                    "emailAddress": "a@example.com",
                    "status": "5.1.1",
                    "diagnosticCode": "550 5.1.1 user unknown",
                }
            ]
        },
    }

    found = understand(mail("AWS Notification Message", json.dumps(news)))

    assert found.kind is Kind.BOUNCE
    assert summary(found) == [("a@example.com", "5.1.1", "hard")]


def test_a_feedback_report_is_no_bounce() -> None:
    body = (
        "--x\r\nContent-Type: text/plain\r\n\r\nA complaint.\r\n"
        "--x\r\nContent-Type: message/feedback-report\r\n\r\n"
        "Feedback-Type: abuse\r\nOriginal-Rcpt-To: <a@example.com>\r\n\r\n--x--\r\n"
    )
    kind = "multipart/report; report-type=feedback-report; boundary=x"

    found = understand(mail("FW: your invoice", body, [("Content-Type", kind)]))

    assert found.kind is Kind.FEEDBACK
    assert summary(found) == [("a@example.com", None, "none")]
    assert found.recipients[0].reason == "complaint"


# What is no bounce


@pytest.mark.parametrize(
    ("subject", "headers"),
    [
        ("Out of Office: your invoice", []),
        ("AW: Automatische Antwort: Rechnung", []),
        ("Your invoice", [("Auto-Submitted", "auto-replied (vacation)")]),
        ("Your invoice", [("X-Autoreply", "yes")]),
        ("Your invoice", [("Precedence", "auto_reply")]),
    ],
)
def test_a_vacation_reply_is_an_automatic_reply(
    subject: str, headers: list[tuple[str, str]]
) -> None:
    assert understand(mail(subject, "I am away.", headers)).kind is Kind.AUTO_REPLY


def test_our_own_mail_is_known_by_its_header() -> None:
    found = understand(mail("Invoice", "Please pay.", [("Kuvert-Dispatch", "x")]))

    assert found.kind is Kind.OWN


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Hello", "Good day."),
        ("", ""),
        ("Your mail could not be delivered", "I tried to reach a@example.com: user unknown."),
        ("Win now", "Click https://example.com <b@example.com>: mailbox full of money"),
        ("Re: invoice", "> a@example.com\r\n> delivery failed\r\nPlease send it again."),
    ],
)
def test_what_people_write_is_ordinary(subject: str, text: str) -> None:
    assert understand(mail(subject, text)).kind is Kind.ORDINARY


def test_the_ids_of_what_is_returned_are_found() -> None:
    returned = "Message-ID: <original@example.org>\r\nSubject: Invoice\r\n\r\nHi\r\n"

    found = understand(report(block("a@example.com", "failed", "5.1.1"), returned=returned))

    assert "<original@example.org>" in found.original_ids


# The command


def test_explain_says_what_and_why(console: Console, tmp_path: Path) -> None:
    file = tmp_path / "bounce.eml"
    file.write_bytes(report(block("a@example.com", "failed", "5.1.1", "550 5.1.1 User unknown")))

    done = console("mail", "explain", file)

    assert done.out.splitlines() == [
        f"{file}: bounce",
        "  a@example.com failed: no such mailbox (hard, 5.1.1)",
        "  because it holds a report on the delivery (RFC 3464)",
        '  because of a@example.com it says: "smtp; 550 5.1.1 User unknown"',
        "  no token of ours is in it, so it can change no invoice unless it names our Message-ID",
    ]


@pytest.mark.parametrize("is_ours", [True, False])
def test_explain_says_whose_the_token_is(
    console: Console, tmp_path: Path, *, is_ours: bool
) -> None:
    key = new_id()
    secret = current().secret_key if is_ours else "another-key-of-another-installation"
    to = mail_token.envelope_sender(secret, key, "billing@seller.example")
    file = tmp_path / "reply.eml"
    file.write_bytes(f"From: a@example.com\r\nTo: {to}\r\nSubject: x\r\n\r\nhi\r\n".encode())

    last = console("mail", "explain", file).out.splitlines()[-1]

    assert (f"it speaks of the dispatch key {key}" in last) == is_ours
    assert ("the token in it is not ours" in last) != is_ours


def test_explain_in_json_is_an_object_a_line(console: Console, tmp_path: Path) -> None:
    files = [tmp_path / "one.eml", tmp_path / "two.eml"]
    files[0].write_bytes(mail())
    files[1].write_bytes(report(block("a@example.com", "failed", "5.1.1", "User unknown\x1b[31m")))

    first, second = console("mail", "explain", *files, "--json").lines()

    assert first == {
        "kind": "ordinary",
        "recipients": [],
        "why": ["nothing in it says that it is a report or a reply"],
    }
    assert second["recipients"] == [
        {
            "address": "a@example.com",
            "status": "5.1.1",
            "verdict": "hard",
            "reason": "no such mailbox",
        }
    ]


def test_explain_shows_no_control_characters(console: Console, tmp_path: Path) -> None:
    file = tmp_path / "bounce.eml"
    file.write_bytes(report(block("a@example.com", "failed", "5.1.1", "User unknown \x1b[31m")))

    assert "\x1b" not in console("mail", "explain", file).out


def test_explain_needs_no_database_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "one.eml"
    file.write_bytes(report(block("a@example.com", "failed", "5.1.1")))

    done = Manage(tmp_path / "home", {})("mail", "explain", str(file), "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kind"] == "bounce"
    assert done.stderr.startswith("rules of staff are left out: cannot use ")


def test_explain_of_no_file_is_wrong_use(console: Console, tmp_path: Path) -> None:
    assert console("mail", "explain", tmp_path / "none.eml").code == 2
