"""Passkeys, with a device in software. A browser's own part is tested in Chromium."""

import json
import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from core.db import reading, unit_of_work
from core.people import services
from core.people.models import Passkey
from tests.support import staff
from tests.support.authenticator import PRESENT, Authenticator
from tests.support.staff import Browser

_FORM = re.compile(r'<form id="passkey" method="post" action="([^"]+)"[^>]*data-options="([^"]+)"')


def asked(answer: TestResponse) -> tuple[str, dict[str, Any]]:
    """Return where the page sends the browser's answer, and what it asks for."""
    found = _FORM.search(answer.text)
    assert found, answer.text
    return unescape(found[1]), json.loads(unescape(found[2]))


def register(browser: Browser, device: Authenticator, usage: str = "first") -> TestResponse:
    """Add a passkey."""
    action, options = asked(browser.post("/wan-register", name="My key", usage=usage))
    return browser.post(action, form="/change", credential=device.register(options))


def sign_in(browser: Browser, device: Authenticator) -> TestResponse:
    """Log in with a passkey, from the start page or after the password."""
    action, options = asked(browser.post("/wan-signin", form="/wan-signin"))
    return browser.post(action, form="/wan-signin", credential=device.sign(options))


@pytest.fixture
def device() -> Authenticator:
    """A device that has no passkey yet."""
    return Authenticator()


@pytest.fixture
def key(browser: Browser, ann: str, device: Authenticator) -> Authenticator:
    """Ann's device with a passkey that logs in alone; she is logged out."""
    browser.log_in(ann)
    assert register(browser, device).headers["Location"] == "/wan-register"
    browser.post("/logout", form="/change")
    return device


@pytest.mark.pages
def test_a_passkey_logs_in_alone(browser: Browser, key: Authenticator) -> None:
    answer = sign_in(browser, key)

    assert answer.headers["Location"] == "/admin/"
    assert browser.is_in()


@pytest.mark.pages
def test_a_second_use_counts_up(app: Flask, browser: Browser, key: Authenticator) -> None:
    sign_in(browser, key)
    again = staff.browser(app)

    sign_in(again, key)

    assert again.is_in()
    with reading() as connection:
        assert connection.scalar(select(Passkey.__table__.c.sign_count)) == 2


def test_a_copied_device_is_noticed(app: Flask, browser: Browser, key: Authenticator) -> None:
    sign_in(browser, key)
    key.count = 0
    copied = staff.browser(app)

    sign_in(copied, key)

    assert not copied.is_in()


def test_a_device_that_did_not_ask_for_its_owner_does_not_log_in_alone(
    browser: Browser, key: Authenticator
) -> None:
    key.flags = PRESENT

    sign_in(browser, key)

    assert not browser.is_in()


def test_an_answer_from_another_site_does_not_count(browser: Browser, key: Authenticator) -> None:
    key.origin = "https://evil.example"

    sign_in(browser, key)

    assert not browser.is_in()


def test_a_passkey_of_nobody_does_not_log_in(browser: Browser, ann: str) -> None:
    answer = sign_in(browser, Authenticator())

    assert answer.headers["Location"] == "/wan-signin"
    assert not browser.is_in()


def test_a_disabled_user_gets_in_with_no_passkey(browser: Browser, key: Authenticator) -> None:
    staff.add(email="bob@example.com")
    with unit_of_work() as connection:
        services.disable(connection, "ann@example.com")

    answer = sign_in(browser, key)

    assert answer.headers["Location"] == "/wan-signin"
    assert not browser.is_in()


@pytest.mark.pages
def test_a_passkey_can_be_the_second_factor(
    browser: Browser, ann: str, device: Authenticator
) -> None:
    browser.log_in(ann)
    register(browser, device, "secondary")
    browser.post("/logout", form="/change")

    answer = browser.log_in(ann)
    assert answer.headers["Location"].startswith("/wan-signin")
    assert not browser.is_in()
    sign_in(browser, device)

    assert browser.is_in()


def test_a_second_factor_does_not_log_in_alone(
    browser: Browser, ann: str, device: Authenticator
) -> None:
    browser.log_in(ann)
    register(browser, device, "secondary")
    browser.post("/logout", form="/change")

    sign_in(browser, device)

    assert not browser.is_in()


def test_nobody_learns_which_accounts_have_passkeys(browser: Browser, key: Authenticator) -> None:
    for identity in ("ann@example.com", "nobody@example.com"):
        _, options = asked(browser.post("/wan-signin", form="/wan-signin", identity=identity))

        assert options["allowCredentials"] == []


@pytest.mark.pages
def test_a_passkey_is_removed(browser: Browser, ann: str, key: Authenticator) -> None:
    browser.log_in(ann)

    browser.post("/wan-delete", form="/wan-register", name="My key")

    with reading() as connection:
        assert connection.execute(select(Passkey.__table__)).all() == []


def test_a_passkey_is_not_taken_twice(browser: Browser, ann: str, key: Authenticator) -> None:
    browser.log_in(ann)
    action, options = asked(browser.post("/wan-register", name="Again", usage="first"))

    browser.post(action, form="/change", credential=key.register(options))

    with reading() as connection:
        assert len(connection.execute(select(Passkey.__table__)).all()) == 1


def test_the_page_lists_them(browser: Browser, ann: str, key: Authenticator) -> None:
    browser.log_in(ann)

    assert "My key" in browser.get("/wan-register").text


@pytest.mark.parametrize("name", ["<b>x</b>", "x" * 65, "", "a\nb\x00", "=cmd|'/C calc'!A0"])
def test_odd_names_are_refused(browser: Browser, ann: str, name: str) -> None:
    browser.log_in(ann)

    answer = browser.post("/wan-register", name=name, usage="first")

    assert answer.status_code == 200
    assert 'id="passkey"' not in answer.text


@pytest.mark.parametrize(
    "extensions", ["not json", "[]", "x" * 2000, {"credProps": {}}, json.dumps({"a": "x" * 2000})]
)
def test_an_odd_note_on_extensions_is_refused(
    browser: Browser, ann: str, device: Authenticator, extensions: object
) -> None:
    browser.log_in(ann)
    action, options = asked(browser.post("/wan-register", name="My key", usage="first"))
    credential = json.loads(device.register(options)) | {"extensions": extensions}

    browser.post(action, form="/change", credential=json.dumps(credential))

    assert "My key" not in browser.get("/wan-register").text


@pytest.mark.parametrize("credential", ["", "{}", "[]", "null", "{" * 5000, '{"id": 1}', "\x00"])
def test_an_odd_answer_of_the_browser_is_refused(
    browser: Browser, ann: str, key: Authenticator, credential: str
) -> None:
    action, _ = asked(browser.post("/wan-signin", form="/wan-signin"))

    answer = browser.post(action, form="/wan-signin", credential=credential)

    assert answer.status_code == 302
    assert not browser.is_in()


def test_the_pages_hold_no_inline_script(browser: Browser, ann: str) -> None:
    browser.log_in(ann)

    page = browser.post("/wan-register", name="My key", usage="first").text

    assert re.findall(r"<script(?![^>]* src=)[^>]*>|\son\w+=|style=", page) == []
    scripts = re.findall(r'<script src="([^"]+)"', page)
    assert len(scripts) == 3
    for script in scripts:
        with browser.get(script) as answer:
            assert answer.status_code == 200
