"""Mails made to hurt: each is read in less than a second, and none raises."""

from time import process_time

import pytest

from callbacks.mail.understanding import understand

ROBOT = (
    b"From: MAILER-DAEMON@example.org\r\nReturn-Path: <>\r\n"
    b"Subject: Undelivered Mail Returned to Sender\r\n"
)


def nested(depth: int) -> bytes:
    parts = (
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number)
        for number in range(depth)
    )
    return b"From: a@example.org\r\n" + b"".join(parts) + b"\r\nhi\r\n"


def report(fields: bytes) -> bytes:
    head = b"Content-Type: multipart/report; boundary=x; report-type=delivery-status\r\n\r\n"
    return ROBOT + head + b"--x\r\nContent-Type: message/delivery-status\r\n\r\n" + fields


HOSTILE = {
    "a hundred thousand headers": b"".join(b"X-%d: v\r\n" % one for one in range(100_000)),
    "a header of 5 MB": b"X: " + b"a" * 5_000_000 + b"\r\n\r\nhi",
    "20,000 quotes": b"To: " + b'"' * 20_000 + b"\r\n\r\nhi",
    "20,000 quotes in a bounce": ROBOT + b"To: " + b'"' * 20_000 + b"\r\n\r\nhi",
    "20,000 encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\r\n\r\nhi",
    "1,000 nested parts": nested(1000),
    "99 nested parts": nested(99),
    "1,000 nested mails": b"Content-Type: message/rfc822\r\n\r\n" * 1000,
    "40,000 parts": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    + b"--x\r\n\r\nhi\r\n" * 40_000,
    "an odd Message-ID": ROBOT + b"Message-ID: <[\r\nIn-Reply-To: <[\r\n\r\nhi",
    "20,000 recipients in words": ROBOT
    + b"\r\n"
    + b"".join(b"<u%d@example.org>: user unknown\r\n" % one for one in range(20_000)),
    "8,000 recipients in a report": report(
        b"".join(
            b"Final-Recipient: rfc822; u%d@example.org\r\nAction: failed\r\n\r\n" % one
            for one in range(8000)
        )
    ),
    "bad base64 and a cut-off boundary": ROBOT
    + b"Content-Type: multipart/report; boundary=x; report-type=delivery-status\r\n\r\n--x\r\n"
    + b"Content-Transfer-Encoding: base64\r\nContent-Type: message/delivery-status\r\n\r\n"
    + b"=!!!\r\n--x",
    "spaces without end": ROBOT + b"\r\n" + b" " * 400_000,
    "lines without end": ROBOT + b"\r\n" + b"\n" * 400_000,
    "a letter without end": ROBOT + b"\r\n" + b"a" * 400_000,
    "words of bounces without end": ROBOT + b"\r\n" + b"user recipient mailbox over " * 10_000,
    "for without end": ROBOT + b"\r\n" + (b"for " * 60 + b"\r\n") * 3000,
    "ats without end": ROBOT + b"\r\n" + b"a@" * 200_000,
    "rules without end": ROBOT + b"\r\n" + (b"-" * 900 + b"\n") * 400,
    "quotes of quotes": ROBOT + b"\r\n" + (b"> " * 450 + b"\n") * 400,
    "style without end": ROBOT + b"Content-Type: text/html\r\n\r\n" + b"<style><b" * 40_000,
    "tags without end": ROBOT + b"Content-Type: text/html\r\n\r\n" + b"<" * 400_000,
    "JSON without end": b'\r\n{"notificationType":' + b"[" * 100_000,
    "references without end": b"References: " + b"<a@b> " * 50_000 + b"\r\n\r\n",
    "ids without end": ROBOT + b"\r\n" + b"message-id: <" * 30_000,
    "a boundary in a thousand pieces": b"Content-Type: multipart/mixed; "
    + b"".join(b"boundary*%d=x; " % one for one in range(3000))
    + b"\r\n\r\nhi",
    "nothing": b"",
    "line ends": b"\r\n\r\n",
    "zeros": b"\0" * 10_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_read_in_less_than_a_second(name: str) -> None:
    began = process_time()

    understand(HOSTILE[name])

    assert process_time() - began < 1.0


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a header of 5 MB", "too large"),
        ("a hundred thousand headers", "too large"),
        ("1,000 nested parts", "too deep"),
        ("99 nested parts", "too deep"),
        ("40,000 parts", "too many parts"),
    ],
)
def test_what_is_beyond_reading_is_said_to_be(name: str, problem: str) -> None:
    found = understand(HOSTILE[name])

    assert found.problem is not None
    assert found.problem.startswith(problem)
    assert found.to_json()["why"] == [found.problem]


def test_an_unknown_charset_is_read_with_replacement() -> None:
    head = ROBOT + b"Content-Type: text/plain; charset=x-nobody-knows\r\n\r\n"

    [one] = understand(head + b"<a@example.com>: user unknown \xff").recipients

    assert (one.address, one.verdict) == ("a@example.com", "hard")


def test_what_a_cut_mail_says_before_the_cut_counts() -> None:
    fields = b"Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@example.com\r\n"
    cut = report(fields + b"Action: failed\r\nStatus: 5.1.1\r\n")

    assert [one.address for one in understand(cut).recipients] == ["a@example.com"]


def test_of_very_many_recipients_a_hundred_are_kept() -> None:
    assert len(understand(HOSTILE["8,000 recipients in a report"]).recipients) == 100
