"""Authenticator app and recovery codes."""

import base64
import re

import pytest
from flask import Flask
from passlib.totp import TOTP
from sqlalchemy import select

from core.db import reading, unit_of_work
from core.people import services
from core.people.models import User
from tests.support import staff
from tests.support.staff import Browser

_KEY = re.compile(r"<code>([A-Z2-7 -]+)</code>")
_ACTION = re.compile(r'action="(/tf-setup/[^"]+)"')
_CODES = re.compile(r"<li>([0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4})</li>")


def set_up(browser: Browser) -> TOTP:
    """Set an authenticator app up; returns the app."""
    page = browser.post("/tf-setup", setup="authenticator").text
    key, action = _KEY.search(page), _ACTION.search(page)
    assert key, page
    assert action
    phone = TOTP(key[1])
    answer = browser.post(action[1], form="/tf-setup", code=code_of(phone, step=-1))
    assert answer.headers["Location"] == "/tf-setup", answer.text
    return phone


def code_of(phone: TOTP, step: int = 0) -> str:
    """Return the code that the app shows, or one of a step before or after."""
    import time

    return str(phone.generate(time=time.time() + 30 * step).token)


@pytest.fixture
def phone(app: Flask, browser: Browser, ann: str) -> TOTP:
    """Ann's authenticator app; she is logged out."""
    browser.log_in(ann)
    phone = set_up(browser)
    browser.post("/logout", form="/change")
    return phone


def test_a_code_is_asked_for_after_the_password(browser: Browser, ann: str, phone: TOTP) -> None:
    answer = browser.log_in(ann)

    assert answer.headers["Location"].startswith("/tf-validate")
    assert not browser.is_in()


def test_the_code_lets_in(browser: Browser, ann: str, phone: TOTP) -> None:
    browser.log_in(ann)

    answer = browser.post("/tf-validate", code=code_of(phone))

    assert answer.headers["Location"] == "/admin/"
    assert browser.is_in()


@pytest.mark.pages
def test_a_code_counts_once(app: Flask, browser: Browser, ann: str, phone: TOTP) -> None:
    browser.log_in(ann)
    browser.post("/tf-validate", code=(code := code_of(phone)))
    another = staff.browser(app)
    another.log_in(ann)

    answer = another.post("/tf-validate", code=code)

    assert "This code is wrong, or was used already." in answer.text
    assert not another.is_in()


@pytest.mark.parametrize("code", ["000000", "", "abcdef", "1" * 5000, "١٢٣٤٥٦", "\x00"])
def test_another_code_does_not_let_in(browser: Browser, ann: str, phone: TOTP, code: str) -> None:
    browser.log_in(ann)

    assert browser.post("/tf-validate", code=code).status_code == 200
    assert not browser.is_in()


def test_an_old_code_does_not_let_in(browser: Browser, ann: str, phone: TOTP) -> None:
    browser.log_in(ann)

    browser.post("/tf-validate", code=code_of(phone, step=-3))

    assert not browser.is_in()


def test_codes_cannot_be_tried_without_end(browser: Browser, ann: str, phone: TOTP) -> None:
    """The right password in between does not help."""
    codes = []
    for _ in range(7):
        browser.log_in(ann)
        codes.append(browser.post("/tf-validate", code="000000").status_code)

    assert codes == [200] * 5 + [429] * 2


def test_no_code_is_taken_without_the_password(browser: Browser, phone: TOTP) -> None:
    browser.get("/login")

    assert browser.get("/tf-validate").headers["Location"] == "/login"
    assert not browser.is_in()


def test_the_key_is_not_in_the_database_as_it_is(browser: Browser, ann: str, phone: TOTP) -> None:
    with reading() as connection:
        kept = connection.scalar(select(User.__table__.c.tf_totp_secret))

    assert phone.base32_key not in str(kept)


def test_it_can_be_turned_off(browser: Browser, ann: str, phone: TOTP) -> None:
    browser.log_in(ann)
    browser.post("/tf-validate", code=code_of(phone))

    browser.post("/tf-setup", setup="disable")

    browser.post("/logout", form="/change")
    assert browser.log_in(ann).headers["Location"] == "/admin/"


def test_the_picture_to_scan_is_in_the_page(browser: Browser, ann: str) -> None:
    browser.log_in(ann)

    page = browser.post("/tf-setup", setup="authenticator").text

    picture = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert picture
    assert base64.b64decode(picture[1]).startswith(b"<?xml")


@pytest.mark.parametrize("method", ["email", "sms", "nonsense"])
def test_there_is_no_other_method(browser: Browser, ann: str, method: str) -> None:
    browser.log_in(ann)

    assert "not valid" in browser.post("/tf-setup", setup=method).text


# Recovery codes


@pytest.fixture
def codes(browser: Browser, ann: str, phone: TOTP) -> list[str]:
    """Ann's recovery codes; she is logged out."""
    browser.log_in(ann)
    browser.post("/tf-validate", code=code_of(phone))
    found = _CODES.findall(browser.post("/mf-recovery-codes", generate_new_codes="1").text)
    browser.post("/logout", form="/change")
    assert len(found) == 10
    return found


@pytest.mark.pages
def test_a_recovery_code_lets_in_once(
    app: Flask, browser: Browser, ann: str, codes: list[str]
) -> None:
    browser.log_in(ann)
    answer = browser.post("/mf-recovery", code=f" {codes[0].upper()} ")
    assert answer.headers["Location"] == "/admin/"
    another = staff.browser(app)
    another.log_in(ann)

    another.post("/mf-recovery", code=codes[0])

    assert browser.is_in()
    assert not another.is_in()


def test_recovery_codes_are_not_in_the_database_as_they_are(codes: list[str]) -> None:
    with reading() as connection:
        kept = str(connection.scalar(select(User.__table__.c.mf_recovery_codes)))

    assert not [code for code in codes if code in kept]


def test_recovery_codes_cannot_be_tried_without_end(
    browser: Browser, ann: str, codes: list[str]
) -> None:
    browser.log_in(ann)

    answers = [browser.post("/mf-recovery", code="0000-0000-0000").status_code for _ in range(6)]

    assert answers == [200] * 5 + [429]


def test_the_page_for_codes_points_to_them(browser: Browser, ann: str, codes: list[str]) -> None:
    browser.log_in(ann)

    assert "/mf-recovery" in browser.get("/tf-validate").text


def test_no_way_around_the_code_needs_mail(browser: Browser, ann: str, phone: TOTP) -> None:
    browser.log_in(ann)

    for way in ("help", "email"):
        assert browser.post("/tf-rescue", form="/tf-validate", help_setup=way).status_code == 200


@pytest.mark.pages
def test_an_admin_can_take_lost_ones_away(browser: Browser, ann: str, codes: list[str]) -> None:
    with unit_of_work() as connection:
        made = services.reset_password(connection, ann, forget_second_factors=True)

    answer = browser.log_in(ann, made)

    assert answer.headers["Location"] == "/admin/"
