"""`doctor` signs in at real mail servers, and sends and reads nothing."""

from pathlib import Path

import pytest

from callbacks import doctoring
from core.app import create_app
from core.doctor import connections
from core.doctor.findings import Check, Finding, Patient, State
from tests.support.environment import make_settings
from tests.support.mail_server import LOGIN, USER, mail_server
from tests.support.mailbox import dovecot

PASSWORD = "s3cret%2Fw%C3%ADth%40signs"


def ask(check: Check, folder: Path, **values: str) -> list[Finding]:
    settings = make_settings(folder, **values)
    return list(check(Patient(create_app(settings), settings)))


def test_a_mail_server_lets_us_in_and_gets_no_mail(tmp_path: Path) -> None:
    with mail_server(**LOGIN) as server:
        user = USER.replace("@", "%40")
        url = f"smtp://{user}:{PASSWORD}@127.0.0.1:{server.port}?tls=off"
        [finding] = ask(
            connections.mail_server, tmp_path, SMTP_URL=url, MAIL_FROM="kuvert@example.org"
        )
        taken = list(server.taken)

    assert (finding.state, taken) == (State.OK, [])
    assert "login" in finding.means


def test_a_wrong_password_is_said_and_not_shown(tmp_path: Path) -> None:
    with mail_server(**LOGIN) as server:
        url = f"smtp://kuvert:hunter2-hunter2@127.0.0.1:{server.port}?tls=off"
        [finding] = ask(
            connections.mail_server, tmp_path, SMTP_URL=url, MAIL_FROM="kuvert@example.org"
        )

    assert finding.state is State.FAIL
    assert "535" in finding.means
    assert "hunter2" not in finding.means + finding.remedy


def test_a_server_without_tls_is_not_given_what_must_be_encrypted(tmp_path: Path) -> None:
    with mail_server() as server:
        url = f"smtp://127.0.0.1:{server.port}?tls=starttls"
        [finding] = ask(
            connections.mail_server, tmp_path, SMTP_URL=url, MAIL_FROM="kuvert@example.org"
        )

    assert finding.state is State.FAIL
    assert "STARTTLS" in finding.means


def test_a_mailbox_lets_us_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dovecot() as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
        [well] = ask(doctoring.mailbox, tmp_path, IMAP_URL=server.url())
        [refused] = ask(doctoring.mailbox, tmp_path, IMAP_URL=server.url(password="hunter2"))
        monkeypatch.delenv("SSL_CERT_FILE")
        [untrusted] = ask(doctoring.mailbox, tmp_path, IMAP_URL=server.url())

    assert well.state is State.OK
    assert (refused.state, untrusted.state) == (State.FAIL, State.FAIL)
    assert "login refused" in refused.means
    assert "not trusted" in untrusted.means
    assert "hunter2" not in refused.means
