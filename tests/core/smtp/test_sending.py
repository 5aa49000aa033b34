"""How a mail ends, on a real server."""

from time import monotonic

import pytest

from core.errors import InputError
from core.mail_server import Server
from core.smtp import Answer, Stage, Verdict, pool, send, session
from tests.support.mail_server import MailServer
from tests.support.ports import free_port

SENDER = "billing+token@seller.example"
MAIL = b"Subject: Invoice 7\r\nFrom: billing@seller.example\r\n\r\nTo pay: 119.00\r\n"


def sent(server: MailServer, *to: str, content: bytes = MAIL) -> Answer:
    return send(Server.of(server.url), content, SENDER, to or ("a@buyer.example",))


def test_a_mail_arrives_as_it_is(server: MailServer) -> None:
    answer = sent(server)

    assert answer.verdict is Verdict.ACCEPTED
    assert answer.words == "250 2.0.0 queued as 4711"
    [taken] = server.taken
    assert (taken.sender, taken.recipients) == (SENDER, ("a@buyer.example",))
    assert taken.content == MAIL


@pytest.mark.parametrize(
    "content",
    [b"A: b\n\n.\n..\n.x\r.\r\n", b".A: b\r\n\r\nx", b"A: b\r\n\r\nx\r\n.\r\nQUIT\r\n"],
    ids=["odd endings", "a dot first", "an end in the middle"],
)
def test_nothing_in_a_mail_ends_it(server: MailServer, content: bytes) -> None:
    sent(server, content=content)

    [taken] = server.taken
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n").split(b"\n")
    assert taken.content == b"".join(line + b"\r\n" for line in lines)


@pytest.mark.parametrize(
    ("to", "verdict", "stage", "words"),
    [
        ("refuse", Verdict.REFUSED, Stage.RECIPIENT, "550 5.1.1 no such mailbox here"),
        ("later", Verdict.TEMPORARY, Stage.RECIPIENT, "451 4.7.1 greylisted, come back"),
        ("relay", Verdict.MISCONFIGURED, Stage.RECIPIENT, "554 5.7.1 Relay access denied"),
        ("spam", Verdict.REFUSED, Stage.CONTENT, "554 5.7.1 this looks like spam"),
        ("full", Verdict.TEMPORARY, Stage.CONTENT, "452 4.2.2 mailbox full"),
    ],
)
def test_a_refusal_says_whose_and_for_how_long(
    server: MailServer, to: str, verdict: Verdict, stage: Stage, words: str
) -> None:
    answer = sent(server, f"{to}@buyer.example")

    assert (answer.verdict, answer.stage, answer.words) == (verdict, stage, words)
    assert server.taken == []


def test_after_a_refusal_the_connection_goes_on(server: MailServer) -> None:
    for to in ("a", "refuse", "b", "spam", "c"):
        sent(server, f"{to}@buyer.example")

    assert [mail.recipients[0][0] for mail in server.taken] == ["a", "b", "c"]
    assert len(server.handler.connections) == 1


@pytest.mark.parametrize("to", ["cut", "lose"])
def test_a_cut_behind_the_final_dot_is_not_known(server: MailServer, to: str) -> None:
    answer = sent(server, f"{to}@buyer.example")

    assert answer.verdict is Verdict.UNKNOWN
    assert answer.may_have_arrived
    assert "after the whole mail was sent" in answer.text
    assert sent(server).is_accepted  # the next goes over a new connection


def test_silence_behind_the_final_dot_is_not_known(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "ANSWER_SECONDS", 1.2)
    pauses: list[float] = []

    answer = send(
        Server.of(server.url),
        MAIL,
        SENDER,
        ["silent@buyer.example"],
        lambda: pauses.append(monotonic()),
    )

    assert answer.verdict is Verdict.UNKNOWN
    assert "no answer in time" in answer.text
    assert len(pauses) >= 2


def test_who_is_refused_among_several_is_said(server: MailServer) -> None:
    answer = sent(server, "a@buyer.example", "refuse@buyer.example", "later@buyer.example")

    assert answer.is_accepted
    assert [str(one) for one in answer.refused] == [
        "refuse@buyer.example: 550 5.1.1 no such mailbox here",
        "later@buyer.example: 451 4.7.1 greylisted, come back",
    ]
    assert server.taken[0].recipients == ("a@buyer.example",)


def test_when_nobody_may_have_it_the_one_who_may_later_counts(server: MailServer) -> None:
    answer = sent(server, "refuse@buyer.example", "later@buyer.example")

    assert answer.verdict is Verdict.TEMPORARY
    assert [one.is_temporary for one in answer.refused] == [False, True]


def test_a_refused_sender_is_our_trouble(server: MailServer) -> None:
    server.handler.refuses_sender = "550 5.7.1 you may not send as that"

    answer = sent(server)

    assert (answer.verdict, answer.stage) == (Verdict.MISCONFIGURED, Stage.SENDER)


def test_a_server_that_is_away_has_got_nothing() -> None:
    answer = send(Server.of(f"smtp://127.0.0.1:{free_port()}"), MAIL, SENDER, ["a@b.example"])

    assert (answer.verdict, answer.stage) == (Verdict.TEMPORARY, Stage.CONNECTING)
    assert answer.text.endswith(": connection refused")


def test_a_kept_connection_that_has_ended_is_replaced(server: MailServer) -> None:
    sent(server)
    server.handler.closes = 1

    answer = sent(server)

    assert answer.is_accepted
    assert len(server.taken) == 2
    assert len(server.handler.connections) == 2


def test_a_new_connection_that_ends_is_not_tried_for_ever(server: MailServer) -> None:
    server.handler.closes = 9

    answer = sent(server)

    assert (answer.verdict, answer.stage) == (Verdict.TEMPORARY, Stage.SENDER)
    assert server.handler.closes == 8


def test_a_connection_is_not_kept_for_ever(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MOST_MAILS", 2)

    for _ in range(5):
        sent(server)

    assert len(server.handler.connections) == 3


@pytest.mark.parametrize(
    "to",
    ["a@buyer.example\r\nRCPT TO:<x@y.example>", "a b@c.example", "a@", "@b.example", "a", ""],
    ids=["a second command", "a space", "no domain", "no local part", "no at", "empty"],
)
def test_what_is_no_address_is_not_sent_to(server: MailServer, to: str) -> None:
    with pytest.raises(InputError):
        sent(server, to)

    assert server.handler.connections == set()


def test_a_domain_is_sent_in_ascii_letters(server: MailServer) -> None:
    sent(server, "info@straße.example")

    assert server.taken[0].recipients == ("info@xn--strae-oqa.example",)
