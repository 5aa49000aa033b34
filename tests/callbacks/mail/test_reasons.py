"""What servers say, and whether it speaks against the address: hard only where it does."""

import pytest

from callbacks.mail import reasons
from callbacks.mail.understanding import understand
from callbacks.mail.verdict import Kind
from tests.callbacks.mail.test_understanding import block, odd, report

UNWANTED = "the recipient's server does not want this mail"


def verdict_of(status: str, words: str, notice: str = "It failed.") -> tuple[str, str]:
    [one] = understand(
        report(block("a@example.com", "failed", status, words), notice=notice)
    ).recipients
    return str(one.verdict), one.reason


# What is said of the address, in the words of some more servers and languages.


@pytest.mark.parametrize(
    "words",
    [
        "550 sorry, your envelope recipient is in my badrcptto list",
        "550 <a@example.com> does not exist",
        "550 <a@example.com>: not found",
        "542 a@example.com Rejected",
        "550 User a not listed in public Name & Address Book",
        "550 Utilisateur inconnu !",
        "550 No existe ese usuario",
        "550 Nessun utente simile in questo indirizzo",
        "550 Empfänger unbekannt",
        "550 Die Adresse wurde nicht gefunden",
        "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
        "550 RESOLVER.ADR.ExRecipNotFound; not found",
        "550 unrouteable address",
        "553 nowhere.example does not exist",
        "556 nothing is read here",
    ],
)
def test_an_address_that_is_no_good_is_hard(words: str) -> None:
    assert reasons.firmness_of(reasons.reason_of(None, words), None) == "hard"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("552 Boîte du destinataire pleine", "the mailbox is full"),
        ("552 Das Postfach des Empfängers ist voll", "the mailbox is full"),
        ("452 no space left on device", "the mailbox is full"),
        ("550 archived recipient", "the mailbox is disabled"),
        ("550 recipient rejected: temporarily inactive", "the mailbox is disabled"),
        ("550 BATV validation failure", "the recipient's server does not trust the sender"),
        (
            "550 Your server requires confirmation",
            "the recipient's server does not trust the sender",
        ),
        (
            "553 sorry, that domain isn't in my list of allowed rcpthosts",
            "the recipient's server does not trust the sender",
        ),
        (
            "554 this server does not accept mail from dynamic ips",
            "the recipient's server does not trust the sender",
        ),
        ("554 we do not take bulk mail", UNWANTED),
        ("550 by non-member to a members-only list", UNWANTED),
        ("451 host name lookup failure", "the network or the server failed"),
        ("Host mx.example.com is not responding", "the network or the server failed"),
        ("not reachable within the allowed queue period", "given up after trying for too long"),
        ("554 transaction failed", "an error on the other side"),
        ("530 Must issue a STARTTLS command first", "an error on the other side"),
    ],
)
def test_everything_else_is_soft(words: str, reason: str) -> None:
    found = reasons.reason_of(None, words)

    assert str(found) == reason
    assert reasons.firmness_of(found, None) == "soft"


# What nobody knows.


def test_a_reason_that_we_do_not_know_is_soft() -> None:
    unclear = ("soft", "refused in words that Kuvert does not know")

    assert verdict_of("5.0.0", "554 No Resent-From field given") == unclear


@pytest.mark.parametrize("words", ["550", "550 no", "554 delivery error: a@mx.example.com", ""])
def test_no_reason_at_all_is_believed(words: str) -> None:
    stated = ("hard", "refused for good, no reason is stated")

    assert verdict_of("5.0.0", words) == stated


def test_a_report_that_says_nothing_of_anybody_is_soft() -> None:
    body = (
        "--x\r\nContent-Type: text/plain\r\n\r\nNot delivered:\r\n\r\n<a@example.com>\r\n"
        "--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n"
        "--x--\r\n"
    )
    kind = "multipart/report; report-type=delivery-status; boundary=x"

    found = understand(odd(body, headers=[("Content-Type", kind)]))

    assert found.kind is Kind.BOUNCE
    assert [(str(one.verdict), one.reason) for one in found.recipients] == [
        ("soft", "its report says of nobody what happened")
    ]


# "Unknown user" that need not be about the address.


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("5.7.1", "550 5.7.1 <a@example.com>: Recipient address rejected: User unknown"),
        ("5.2.1", "550 5.2.1 <a@example.com>... User Unknown"),
        ("5.0.0", "550 user unknown"),
        ("5.0.0", "550 Unknown user"),
    ],
    ids=["policy", "the mailbox exists", "two words", "the other way round"],
)
def test_a_report_is_believed_where_it_tells_that_rcpt_was_answered(
    status: str, words: str
) -> None:
    too_early = f">>> DATA\r\n<<< {words}\r\n<<< 503 5.0.0 Need RCPT (recipient)\r\n"
    answered = f">>> RCPT To:<a@example.com>\r\n<<< {words}\r\n"

    assert verdict_of(status, words) == ("soft", UNWANTED)
    assert verdict_of(status, words, too_early) == ("soft", UNWANTED)
    assert verdict_of(status, words, answered) == ("hard", "no such mailbox")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("5.1.1", "550 user unknown"),
        ("5.0.0", "550 <a@example.com>: User unknown"),
        ("5.0.0", "550 user unknown: a@example.com"),
    ],
    ids=["status", "name", "name behind it"],
)
def test_an_unknown_user_with_a_name_or_a_status_is_about_the_address(
    status: str, words: str
) -> None:
    assert verdict_of(status, words) == ("hard", "no such mailbox")
