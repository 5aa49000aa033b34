"""A real mailbox, empty for each test."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.support.mailbox import Client, Dovecot, dovecot

_names = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Dovecot]:
    """One Dovecot for all tests."""
    with dovecot() as found:
        yield found


@pytest.fixture
def user(server: Dovecot, monkeypatch: pytest.MonkeyPatch) -> str:
    """A name with a mailbox of its own; the machine trusts the server."""
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    return f"box{next(_names)}"


@pytest.fixture
def url(server: Dovecot, user: str) -> str:
    """The mailbox as the setting names it."""
    return server.url(user)


@pytest.fixture
def box(server: Dovecot, user: str) -> Iterator[Client]:
    """What the test sees of the mailbox."""
    with server.client(user) as client:
        yield client
