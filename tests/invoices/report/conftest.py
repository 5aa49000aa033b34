"""A mail server, and an installation that mails its reports to it."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from core import settings as settings_module
from core.settings import Settings
from core.smtp import pool
from tests.support.mail_server import MailServer, mail_server

Setting = Callable[..., Settings]


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A mail server on a free port."""
    with mail_server() as running:
        yield running
        pool.close_all()


@pytest.fixture
def setting(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    """Set settings, as NAME without KUVERT_; until the test ends they are those of the process."""

    def apply(**values: str) -> Settings:
        for name, value in values.items():
            monkeypatch.setenv(f"KUVERT_{name}", value)
        settings_module.current.cache_clear()
        monkeypatch.setitem(app.extensions, "kuvert_settings", settings_module.current())
        return settings_module.current()

    yield apply
    monkeypatch.undo()
    settings_module.current.cache_clear()


@pytest.fixture
def mailing(setting: Setting, server: MailServer) -> Settings:
    """Settings with which the report goes to `boss@example.com`."""
    sender = "Kuvert <kuvert@seller.example>"
    return setting(SMTP_URL=server.url, MAIL_FROM=sender, REPORT_TO="boss@example.com")
