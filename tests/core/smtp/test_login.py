"""TLS and login, on a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.mail_server import Server
from core.smtp import Answer, Stage, Verdict, send
from tests.support.mail_server import LOGIN, PASSWORD, USER, MailServer, mail_server
from tests.support.mailbox import make_certificates

MAIL = b"Subject: x\r\n\r\ny\r\n"
IN_URL = "kuvert%40example.org:s3cret%2Fw%C3%ADth%40signs"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture
def _trusted(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "authority.pem"))


@pytest.fixture
def starttls(certificates: Path) -> Iterator[MailServer]:
    with mail_server(certificates, **{**LOGIN, "auth_require_tls": True}) as running:
        yield running


def sent(url: str) -> Answer:
    return send(Server.of(url), MAIL, "a@b.example", ["c@d.example"])


@pytest.mark.usefixtures("_trusted")
def test_starttls_then_login(starttls: MailServer) -> None:
    answer = sent(f"smtp://{IN_URL}@localhost:{starttls.port}?tls=starttls")

    assert answer.is_accepted, answer
    [taken] = starttls.taken
    assert (taken.user, taken.is_encrypted) == (USER, True)
    assert PASSWORD not in repr(answer)


@pytest.mark.usefixtures("_trusted")
def test_tls_from_the_first_byte(certificates: Path) -> None:
    with mail_server(certificates, is_tls=True, **LOGIN) as server:
        answer = sent(f"smtps://{IN_URL}@localhost:{server.port}")

    assert answer.is_accepted, answer
    assert server.taken[0].user == USER


def test_login_without_tls_on_this_machine() -> None:
    with mail_server(**LOGIN, auth_exclude_mechanism=["PLAIN"]) as server:
        answer = sent(f"smtp://{IN_URL}@127.0.0.1:{server.port}")

    assert answer.is_accepted, answer
    assert server.taken[0].user == USER


def test_a_wrong_password_is_our_trouble() -> None:
    with mail_server(**LOGIN) as server:
        answer = sent(f"smtp://u:hunter2@127.0.0.1:{server.port}")

    assert (answer.verdict, answer.stage) == (Verdict.MISCONFIGURED, Stage.LOGIN)
    assert answer.code == 535
    assert "hunter2" not in repr(answer)


def test_without_a_login_the_server_says_so_to_the_sender() -> None:
    with mail_server(**LOGIN) as server:
        answer = sent(server.url)

    assert (answer.verdict, answer.stage, answer.code) == (
        Verdict.MISCONFIGURED,
        Stage.SENDER,
        530,
    )


def test_a_server_without_starttls_gets_nothing(server: MailServer) -> None:
    answer = sent(f"smtp://localhost:{server.port}?tls=starttls")

    assert answer.verdict is Verdict.MISCONFIGURED
    assert "offers no TLS" in answer.text
    assert server.handler.connections == set()


def test_a_certificate_that_nobody_trusts_ends_it(starttls: MailServer) -> None:
    answer = sent(f"smtp://{IN_URL}@localhost:{starttls.port}?tls=starttls")

    assert answer.verdict is Verdict.TEMPORARY
    assert "certificate is not trusted" in answer.text
    assert starttls.taken == []


@pytest.mark.usefixtures("_trusted")
def test_a_certificate_for_another_name_ends_it(starttls: MailServer) -> None:
    answer = sent(f"smtp://{IN_URL}@127.0.0.2:{starttls.port}?tls=starttls")

    assert not answer.is_accepted
    assert starttls.taken == []
