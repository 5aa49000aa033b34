"""Logging in with a password, and out."""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

import pytest
from argon2 import _password_hasher, low_level
from flask import Flask
from sqlalchemy import select

from core.app import create_app
from core.db import reading, unit_of_work
from core.people import services
from core.people.models import User
from tests.support import staff
from tests.support.environment import make_settings
from tests.support.staff import PASSWORD, Browser

WRONG = "a heron waits by the pond"


@pytest.mark.pages
def test_the_right_password_lets_in(browser: Browser, ann: str) -> None:
    answer = browser.log_in(ann)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
    assert browser.is_in()


@pytest.mark.pages
def test_a_login_is_kept_with_its_time_and_address(browser: Browser, ann: str) -> None:
    browser.log_in(ann)

    with reading() as connection:
        user = connection.execute(select(User.__table__)).one()
    assert user.current_login_ip == browser.address
    assert user.current_login_at is not None
    assert user.login_count == 1


@pytest.mark.parametrize("written", ["ANN@example.com", " ann@EXAMPLE.com "])
def test_an_address_may_be_written_in_any_case(browser: Browser, ann: str, written: str) -> None:
    browser.log_in(written)

    assert browser.is_in()


def test_another_password_does_not_let_in(browser: Browser, ann: str) -> None:
    answer = browser.log_in(ann, WRONG)

    assert "The mail address or the password is wrong." in answer.text
    assert not browser.is_in()


def test_all_who_are_refused_get_the_same_answer(app: Flask, ann: str) -> None:
    bob = staff.add(email="bob@example.com")
    with unit_of_work() as connection:
        services.disable(connection, bob)
    tries = [(ann, WRONG), ("nobody@example.com", WRONG), (bob, PASSWORD), ("no address", WRONG)]

    answers = {
        staff.browser(app).log_in(email, password).text.replace(email, "")
        for email, password in tries
    }
    without_tokens = {staff.TOKEN.sub("", answer) for answer in answers}

    assert len(without_tokens) == 1


def _noting(done: list[str], name: str, really: Callable[..., bytes]) -> Callable[..., bytes]:
    def noting(*args: object, **kwargs: object) -> bytes:
        done.append(name)
        return really(*args, **kwargs)

    return noting


def test_an_unknown_account_takes_the_time_of_a_known_one(
    browser: Browser, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not measured: one argon2 each."""
    done: list[str] = []
    for module, name in ((low_level, "hash_secret"), (_password_hasher, "verify_secret")):
        monkeypatch.setattr(module, name, _noting(done, name, getattr(module, name)))

    browser.log_in(ann, WRONG)
    browser.log_in("nobody@example.com", WRONG)

    assert done == ["verify_secret", "hash_secret"]


def test_a_refused_login_is_logged_without_its_password(
    browser: Browser, ann: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="kuvert.login")

    browser.log_in(f"evil\n{'x' * 500}@example.com", WRONG)
    browser.log_in(WRONG, WRONG)
    browser.log_in("Ann@Example.com", WRONG)

    *odd, last = [one.__dict__ for one in caplog.records if one.name == "kuvert.login"]
    assert [one["who"] for one in odd] == ["no mail address"] * 2
    assert (last["who"], last["address"]) == (ann, browser.address)
    assert WRONG not in str([*odd, last])


def test_a_login_is_logged(browser: Browser, ann: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="kuvert.login")

    browser.log_in(ann)

    [record] = [one.__dict__ for one in caplog.records if one.name == "kuvert.login"]
    assert (record["message"], record["who"]) == ("logged in", ann)


@pytest.mark.parametrize(
    "password",
    ["", "x" * 5000, "\x00", "ÿþ\x00Ø", "\u202e\ufeff"],
)
def test_an_odd_password_is_refused_like_any_other(
    browser: Browser, ann: str, password: str
) -> None:
    answer = browser.log_in(ann, password)

    assert answer.status_code == 200
    assert not browser.is_in()


# Where to go then


@pytest.mark.parametrize(
    "outside",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "https:evil.example",
    ],
)
def test_a_login_stays_on_the_site(browser: Browser, ann: str, outside: str) -> None:
    answer = browser.post("/login", email=ann, password=PASSWORD, next=outside)

    location = answer.headers.get("Location", "/admin/")
    assert not re.match(r"[/\\]{2}|/\\|\w+:", location)
    assert urljoin("http://localhost/login", location).startswith("http://localhost/")


def test_a_login_goes_on_where_it_was_asked_for(browser: Browser, ann: str) -> None:
    where = browser.get("/change").headers["Location"]

    answer = browser.log_in(ann, path=where)

    assert where == "/login?next=/change"
    assert answer.headers["Location"] == "/change"


# Out


def test_a_logout_ends_the_session(browser: Browser, ann: str) -> None:
    browser.log_in(ann)

    answer = browser.post("/logout", form="/change")

    assert answer.headers["Location"] == "/login"
    assert not browser.is_in()


def test_a_cookie_that_was_copied_is_worth_nothing_after_the_logout(app: Flask, ann: str) -> None:
    browser, thief = staff.browser(app), staff.browser(app)
    browser.log_in(ann)
    thief.take_cookies_of(browser)
    assert thief.is_in()

    browser.post("/logout", form="/change")

    assert not thief.is_in()


def test_a_link_of_another_site_logs_nobody_out(browser: Browser, ann: str) -> None:
    browser.log_in(ann)

    assert browser.get("/logout").status_code == 405
    assert browser.client.post("/logout").status_code == 400
    assert browser.is_in()


# Nothing else


@pytest.mark.parametrize(
    "path", ["/register", "/reset", "/confirm", "/us-signin", "/refresh-token"]
)
def test_what_we_do_not_offer_is_not_there(browser: Browser, path: str) -> None:
    assert browser.get(path).status_code == 404


def test_there_is_no_login_in_json(browser: Browser, ann: str) -> None:
    token = browser.token("/login")

    answer = browser.client.post(
        "/login",
        json={"email": ann, "password": PASSWORD},
        headers={"X-CSRFToken": token, "Accept": "application/json"},
    )

    assert answer.status_code == 415
    assert not browser.is_in()


def test_no_token_of_the_library_lets_in(browser: Browser, ann: str) -> None:
    assert browser.get("/change", headers={"Authentication-Token": "x"}).status_code == 302
    assert browser.get("/change?auth_token=x").status_code == 302


def test_there_is_no_default_user(app: Flask) -> None:
    with reading() as connection:
        assert services.users(connection) == []


def test_what_workers_and_commands_build_has_no_pages(home: Path) -> None:
    app = create_app(make_settings(home), has_pages=False)

    assert app.test_client().get("/login").status_code == 404
