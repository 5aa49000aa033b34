"""How a mail server is named."""

import pytest

from core.errors import InputError
from core.mail_server import Server, read_setting


@pytest.mark.parametrize(
    ("url", "shown", "has_tls", "must_start_tls"),
    [
        ("smtp://mail.example.org", "mail.example.org:587", False, True),
        ("smtps://mail.example.org", "mail.example.org:465", True, False),
        ("smtp://Mail.Example.org:25?tls=off", "mail.example.org:25", False, False),
        ("smtp://127.0.0.1:25", "127.0.0.1:25", False, False),
        ("smtp://[::1]", "[::1]:587", False, False),
        ("smtp://localhost?tls=starttls", "localhost:587", False, True),
    ],
)
def test_a_url_says_how_it_is_reached(
    url: str, shown: str, has_tls: bool, must_start_tls: bool
) -> None:
    server = Server.of(url)

    assert (server.shown, server.has_tls, server.must_start_tls) == (shown, has_tls, must_start_tls)


def test_user_and_password_are_percent_encoded() -> None:
    server = Server.of("smtps://a%40b.example:p%2Fw%C3%AD@mail.example.org?timeout_seconds=7")

    assert (server.user, server.password) == ("a@b.example", "p/wí")
    assert server.timeout_seconds == 7
    assert "p/wí" not in repr(server)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://mail.example.org", "scheme 'http' is not known"),
        ("smtp://", "names no host"),
        ("smtp://mail.example.org/inbox", "only user, password, host and port"),
        ("smtp://u:hunter2#x@mail.example.org", "write"),
        ("smtp://u:hunter%2@mail.example.org", "write"),
        ("smtp://:hunter2@mail.example.org", "a password and no user"),
        ("smtp://u:hunter2@mail.example.org?tls=off", "in clear"),
        ("smtps://mail.example.org?tls=off", "only smtp:// takes it"),
        ("smtp://mail.example.org?verify=no", "only tls and timeout_seconds"),
        ("smtp://mail.example.org?timeout_seconds=1000", "from 1 to 60"),
        ("smtp://mail.example.org?timeout_seconds=nan", "from 1 to 60"),
        ("smtp://2130706433", "plain form"),
        ("smtp://mail_ex ample.org", "space"),
    ],
)
def test_what_cannot_be_is_refused_without_the_password(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Server.of(url)

    assert "hunter" not in str(caught.value.detail)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("smtp://10.0.0.7", "not a public address"),
        ("smtp://127.0.0.1:25", "not a public address"),
        ("smtp://mailhost", "not a public address"),
        ("smtp://mail.example.org:6379", "port 6379 is not allowed"),
        ("smtp://mail.example.org?tls=off", "in clear"),
    ],
)
def test_a_server_of_somebody_else_must_be_public_and_encrypted(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Server.of(url, allow_private=False)


def test_the_setting_wants_a_password_with_its_user() -> None:
    with pytest.raises(ValueError, match="names a user and no password"):
        read_setting("smtps://kuvert@mail.example.org")

    assert read_setting("smtps://kuvert:x@mail.example.org")
