"""Mail servers that hang up, stall, talk rubbish or lie, at each step: how a mail ends then."""

from time import monotonic

import pytest

from core.mail_server import Server
from core.smtp import Answer, Stage, Verdict, send, session
from tests.support.raw_mail_server import CUT, OK, RawMailServer, Said, raw_mail_server

MAIL = b"Subject: Invoice 7\r\n\r\nTo pay: 119.00\r\n"
STEPS = ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END")
STAGES = {
    "GREETING": Stage.CONNECTING,
    "EHLO": Stage.CONNECTING,
    "MAIL": Stage.SENDER,
    "RCPT": Stage.RECIPIENT,
    "DATA": Stage.CONTENT,
    "END": Stage.CONTENT,
}
SLOW: Said = tuple(part for byte in b"250 slow\r\n" for part in (bytes([byte]), 0.3))
FLOOD = b"250-" + b"x" * 50 + b"\r\n" + b"250-and so on\r\n" * 300_000


def sent(server: RawMailServer, query: str = "", seconds: float = 10) -> Answer:
    to = Server.of(server.url + query).within(seconds)
    return send(to, MAIL, "billing+token@seller.example", ["a@buyer.example"])


def answer_to(says: dict[str, Said], query: str = "", seconds: float = 10) -> Answer:
    with raw_mail_server(says) as server:
        return sent(server, query, seconds)


def at(step: str, said: Said) -> dict[str, Said]:
    """Say it at a step; who says no to EHLO says it to HELO too."""
    return {step: said} | ({"HELO": said} if step == "EHLO" else {})


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "said",
    [
        CUT,
        b"hello\r\n",
        b"250-yes\r\n550 no\r\n",
        b"2" * 200_000,
        FLOOD,
        SLOW,
    ],
    ids=["cut", "rubbish", "yes and no", "no end of line", "no end", "a byte at a time"],
)
def test_what_is_no_reply_is_a_known_failure_until_the_mail_has_its_end(
    step: str, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Time for a busy machine where nobody need wait until it is over.
    seconds = 1.0 if said == SLOW else 7.0
    monkeypatch.setattr(session, "ANSWER_SECONDS", seconds)
    began = monotonic()

    answer = answer_to(at(step, said), seconds=seconds)

    wanted = Verdict.UNKNOWN if step == "END" else Verdict.TEMPORARY
    assert (answer.verdict, answer.stage, answer.code) == (wanted, STAGES[step], None)
    assert monotonic() - began < 8


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("is_cut", [False, True], ids=["stays", "hangs up"])
def test_a_server_that_goes_away_is_tried_again(step: str, is_cut: bool) -> None:
    says = (b"421 4.3.2 going down\r\n", CUT) if is_cut else b"421 4.3.2 going down\r\n"

    answer = answer_to(at(step, says))

    assert answer.verdict is Verdict.TEMPORARY


@pytest.mark.parametrize(
    ("step", "code", "verdict"),
    [
        *((step, 450, Verdict.TEMPORARY) for step in STEPS),
        *((step, 354, Verdict.TEMPORARY) for step in STEPS[:4]),
        ("GREETING", 554, Verdict.MISCONFIGURED),
        ("EHLO", 554, Verdict.MISCONFIGURED),
        ("MAIL", 550, Verdict.MISCONFIGURED),
        ("RCPT", 550, Verdict.REFUSED),
        ("DATA", 554, Verdict.REFUSED),
        ("END", 554, Verdict.REFUSED),
        ("DATA", 250, Verdict.TEMPORARY),
        ("END", 354, Verdict.UNKNOWN),
    ],
    ids=str,
)
def test_a_reply_counts_for_its_step(step: str, code: int, verdict: Verdict) -> None:
    answer = answer_to(at(step, b"%d so be it\r\n" % code))

    assert (answer.verdict, answer.stage) == (verdict, STAGES[step])


def test_a_yes_that_comes_too_late_is_not_known_and_not_taken_for_the_next_mail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with raw_mail_server({"END": (1.5, b"250 taken\r\n")}) as server:
        with monkeypatch.context() as impatient:
            impatient.setattr(session, "ANSWER_SECONDS", 1.0)
            first = sent(server)
        server.says["END"] = b"550 not this one\r\n"
        second = sent(server)

        assert (first.verdict, second.verdict) == (Verdict.UNKNOWN, Verdict.REFUSED)
        assert server.connections == 2


@pytest.mark.parametrize(
    "behind", [b"550 no\r\n", b"250 yes\r\n354 go on\r\n", b"421 idle for too long\r\n"], ids="abc"
)
def test_words_left_over_are_not_taken_for_a_reply_to_the_next_mail(behind: bytes) -> None:
    with raw_mail_server({"END": b"250 taken\r\n" + behind}) as server:
        answers = [sent(server) for _ in range(3)]

        assert [answer.words for answer in answers] == ["250 taken"] * 3
        assert len(server.contents) == 3


def test_a_server_that_speaks_before_the_end_gets_no_end() -> None:
    for early, verdict in ((b"552 too much\r\n", Verdict.REFUSED), (OK, Verdict.TEMPORARY)):
        with raw_mail_server({"DATA": b"354 go on\r\n" + early}) as server:
            assert sent(server).verdict is verdict
            assert server.contents == []


@pytest.mark.parametrize(
    ("says", "verdict", "words"),
    [
        ({}, Verdict.MISCONFIGURED, "it offers no TLS"),
        ({"STARTTLS": b"454 not now\r\n"}, Verdict.TEMPORARY, "454 not now"),
        ({"STARTTLS": b"220 go\r\n250 evil\r\n"}, Verdict.TEMPORARY, "spoke in clear"),
        ({"STARTTLS": (b"220 go\r\n", 0.2, b"250 evil\r\n")}, Verdict.TEMPORARY, "TLS failed"),
        ({"STARTTLS": (b"220 go\r\n", CUT)}, Verdict.TEMPORARY, ""),
    ],
    ids=["stripped", "not now", "injected", "injected later", "cut"],
)
def test_nothing_goes_out_where_tls_fails(
    says: dict[str, Said], verdict: Verdict, words: str
) -> None:
    offer: dict[str, Said] = {"EHLO": b"250-raw.test\r\n250 STARTTLS\r\n"} if says else {}
    with raw_mail_server(offer | says) as server:
        answer = sent(server, "?tls=starttls")

        assert answer.verdict is verdict
        assert words in answer.words
        assert "MAIL" not in server.heard


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
def test_a_login_that_asks_for_ever_ends(way: str) -> None:
    challenge = b"334 VXNlcm5hbWU6\r\n"
    says: dict[str, Said] = {"EHLO": f"250-raw.test\r\n250 AUTH {way}\r\n".encode()}
    # The answers to its challenges are words to this server: user and password in Base64.
    says |= dict.fromkeys(("AUTH", "DQ==", "CA=="), challenge)
    with raw_mail_server(says) as server:
        url = server.url.replace("//", "//u:p@")
        answer = send(Server.of(url), MAIL, "b@s.example", ["a@b.example"])

        assert (answer.verdict, answer.stage) == (Verdict.TEMPORARY, Stage.LOGIN)
        assert "MAIL" not in server.heard


@pytest.mark.parametrize(
    "size", [b"9" * 5000, "²".encode(), "\u0661".encode(), b"-1", b""], ids="abcde"
)
def test_a_size_that_is_none_is_no_limit(size: bytes) -> None:
    answer = answer_to({"EHLO": b"250-raw.test\r\n250 SIZE " + size + b"\r\n"})

    assert answer.is_accepted


def test_words_of_a_server_forge_no_line_and_turn_nothing_around() -> None:
    words = "550 5.1.1 \x1b[2J\x00 a\rb \u2028c \u202ed \u2066e\x85f\r\n"

    answer = answer_to({"RCPT": words.encode()})

    assert answer.words == "550 5.1.1  [2J  a b  c  d  e f"
