"""What makes mails alike."""

from time import process_time

import pytest

from callbacks.mail import likeness
from callbacks.mail.understanding import understand
from tests.callbacks.mail.test_understanding import block, odd, report


@pytest.mark.parametrize(
    ("said", "template"),
    [
        ("smtp; 550 5.1.1 <a@example.com>... User unknown", "# <address> user unknown"),
        ("550 5.1.1 b@example.com: User  UNKNOWN!", "# <address> user unknown"),
        ("x-postfix; host mx1.example.com[192.0.2.7] said", "host <host> said"),
        ("see https://example.com/a?b=4711 (id k4-20020a17si99)", "see <link> id #"),
        ("On Sun, 22 Nov 2026 15:00:00 it was full", "on # it was full"),
        ("die Mailbox von müller@bücher.example ist voll", "die mailbox von <address> ist voll"),
        ("\ue001 full", "<address> full"),
        ("", ""),
    ],
    ids=["angles", "bare", "hosts", "links", "dates", "letters", "signs", "nothing"],
)
def test_what_differs_from_mail_to_mail_is_left_out(said: str, template: str) -> None:
    assert likeness.template_of(said) == template


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("mx1.mail.example.com", "example.com"),
        ("mx1.example.co.uk", "example.co.uk"),
        ("example.de", "example.de"),
        ("Mail.Firma.DE.", "firma.de"),
        ("localhost", "localhost"),
        ("", ""),
    ],
    ids=["com", "co-uk", "short", "case", "one", "nothing"],
)
def test_hosts_of_one_domain_are_one(host: str, domain: str) -> None:
    assert likeness.domain_of(host) == domain


def test_the_host_that_refused_has_said_it() -> None:
    words = block("a@example.com", "failed", "5.1.1", "550 user unknown")
    mail = understand(report(f"Remote-MTA: dns; mx7.buyer.example\r\n{words}"))

    like = likeness.of(mail, mail.recipients[0])

    assert (like.said_by, like.status, like.template) == (
        "buyer.example",
        "5.1.1",
        "# user unknown",
    )


def test_a_relay_of_ours_that_speaks_of_others_is_alike_for_one_domain_only() -> None:
    words = "Host or domain name not found. Name service error for name=buyer.example: not found"

    def mark(address: str, *lines: str) -> str:
        mail = understand(report("".join(lines) + block(address, "failed", "5.4.4", words)))
        return likeness.of(mail, mail.recipients[0]).mark

    there = "Remote-MTA: dns; mx.provider.example\r\n"
    assert mark("a@buyer.example") == mark("b@mail.buyer.example")
    assert mark("a@buyer.example") != mark("a@other.example")
    assert mark("a@buyer.example", there) == mark("a@other.example", there)


def test_without_a_report_it_is_the_sender_s_domain() -> None:
    mail = understand(odd("<a@example.com>: mailbox is full, 17 mails wait"))

    like = likeness.of(mail, mail.recipients[0])

    assert (like.said_by, like.template) == (
        "example.org, of example.com",
        "<address> mailbox is full # mails wait",
    )


def test_where_the_other_side_says_nothing_the_mail_itself_counts() -> None:
    raw = report(block("a@example.com", "failed", "5.0.0"), notice="Nobody lives here.")
    mail = understand(raw)

    assert likeness.of(mail, mail.recipients[0]).template.startswith("undelivered mail")
    assert likeness.of(mail, None).status == ""


@pytest.mark.parametrize("sign", ["a", "<", "a@", "1", "a.", "1.", "http://", "\ue001", "-"])
def test_no_text_makes_it_slow(sign: str) -> None:
    began = process_time()

    likeness.template_of(sign * 100_000)

    assert process_time() - began < 0.2
