"""Sessions: new at login, ended by what takes something away, kept in a cookie of our own."""

from collections.abc import Callable
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from flask import Flask
from flask_login import user_accessed
from itsdangerous import TimestampSigner

from core import web
from core.app import create_app
from core.clock import utcnow
from core.db import database, unit_of_work
from core.people import services
from core.people.security import IDLE
from tests.support import staff
from tests.support.environment import make_settings
from tests.support.factories import SourceWithKey
from tests.support.staff import PASSWORD, Browser

ANOTHER = "the ferry leaves at nine"
Take = Callable[..., object]


def test_a_login_begins_a_new_session(app: Flask, browser: Browser, ann: str) -> None:
    """A form token from before is one that somebody else may know."""
    before = browser.token("/login")
    with browser.client.session_transaction() as planted:
        planted["planted"] = "by another site"

    browser.post("/login", email=ann, password=PASSWORD)

    with browser.client.session_transaction() as now:
        assert "planted" not in now
    assert browser.client.post("/logout", data={"csrf_token": before}).status_code == 400


def test_a_session_from_before_the_login_is_still_nobody_s(
    app: Flask, browser: Browser, ann: str
) -> None:
    thief = staff.browser(app)
    browser.get("/login")
    thief.take_cookies_of(browser)

    browser.log_in(ann)

    assert browser.is_in()
    assert not thief.is_in()


@pytest.mark.pages
@pytest.mark.parametrize(
    "take",
    [
        services.disable,
        lambda connection, email: services.set_role(connection, email, "viewer"),
        services.reset_password,
    ],
    ids=["disable", "role", "password"],
)
def test_what_takes_something_away_ends_the_session(
    app: Flask, browser: Browser, ann: str, take: Take
) -> None:
    staff.add(email="bob@example.com")
    browser.log_in(ann)

    with unit_of_work() as connection:
        take(connection, ann)

    answer = browser.get("/change")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login?next=/change")


def test_whoever_is_enabled_again_has_to_log_in_again(
    app: Flask, browser: Browser, ann: str
) -> None:
    staff.add(email="bob@example.com")
    browser.log_in(ann)
    for change in (services.disable, services.enable):
        with unit_of_work() as connection:
            change(connection, ann)

    assert not browser.is_in()
    browser.log_in(ann)
    assert browser.is_in()


@pytest.mark.pages
def test_a_change_of_password_ends_the_other_sessions(
    app: Flask, browser: Browser, ann: str
) -> None:
    other = staff.browser(app)
    browser.log_in(ann)
    other.log_in(ann)

    browser.post("/change", **change(PASSWORD, ANOTHER))

    assert browser.is_in()
    assert not other.is_in()
    other.log_in(ann, ANOTHER)
    assert other.is_in()


@pytest.mark.parametrize(
    ("current", "new", "words"),
    [
        ("not my password at all", ANOTHER, "This is not your password"),
        (PASSWORD, PASSWORD, "different"),
        (PASSWORD, "password1234", "first passwords that somebody would try"),
        (PASSWORD, "short", "at least 12"),
        (PASSWORD, "x" * 5000, "at most 1000"),
        ("x" * 5000, ANOTHER, "too long"),
        ("", ANOTHER, "not provided"),
    ],
)
def test_a_bad_change_of_password_is_refused(
    browser: Browser, ann: str, current: str, new: str, words: str
) -> None:
    browser.log_in(ann)

    answer = browser.post("/change", **change(current, new))

    assert words in answer.text


def test_the_password_cannot_be_tried_out_in_a_session(browser: Browser, ann: str) -> None:
    """A session that was left open must not become the account."""
    browser.log_in(ann)

    answers = [browser.post("/change", **change("wrong", ANOTHER)) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]


def change(current: str, new: str) -> dict[str, str]:
    return {"password": current, "new_password": new, "new_password_confirm": new}


# Time


def test_a_session_ends_when_it_is_not_used(
    browser: Browser, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.log_in(ann)
    later = TimestampSigner.get_timestamp(TimestampSigner("x")) + int(IDLE.total_seconds()) + 60

    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: later)

    assert not browser.is_in()


def test_a_session_that_is_used_goes_on(
    browser: Browser, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.log_in(ann)
    step = int(timedelta(hours=11).total_seconds())
    start = TimestampSigner.get_timestamp(TimestampSigner("x"))

    for hours in range(1, 4):
        monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _, n=hours: start + n * step)
        assert browser.is_in()


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the cookies of now be older than what is renewed."""
    monkeypatch.setattr(web, "utcnow", lambda: utcnow() + 2 * web.RENEWAL)


def test_a_cookie_of_this_minute_is_not_sent_again(
    browser: Browser, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.log_in(ann)
    browser.get("/change")  # which makes the token of its form

    at_once = browser.get("/change")
    later(monkeypatch)
    after = browser.get("/change")

    assert "Set-Cookie" not in at_once.headers
    assert "Set-Cookie" in after.headers


def test_a_page_that_loads_itself_again_does_not_put_the_end_off(
    browser: Browser, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.log_in(ann)
    browser.get("/change")  # which makes the token of its form
    later(monkeypatch)

    by_itself = browser.get("/change", headers={"Sec-Fetch-Mode": "navigate"})
    by_click = browser.get(
        "/change", headers={"Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"}
    )

    assert "Set-Cookie" in by_click.headers
    assert "Set-Cookie" not in by_itself.headers


# The cookie


def test_the_cookie_is_for_the_browser_alone(browser: Browser, ann: str) -> None:
    cookie = SimpleCookie(browser.log_in(ann).headers["Set-Cookie"])["kuvert"]

    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert not cookie["secure"]


def test_over_https_nobody_else_can_set_the_cookie(home: Path) -> None:
    app = create_app(make_settings(home, PUBLIC_URL="https://desk.example.org"))

    answer = app.test_client().get("/login", base_url="https://desk.example.org")

    cookie = SimpleCookie(answer.headers["Set-Cookie"])["__Host-kuvert"]
    assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")
    with app.app_context():
        database().close()


def test_the_api_knows_no_cookie(
    app: Flask, browser: Browser, ann: str, source: SourceWithKey
) -> None:
    browser.log_in(ann)

    refused = browser.get("/api/v1/invoices")
    allowed = browser.client.get("/api/v1/invoices", headers=source.headers)

    assert (refused.status_code, allowed.status_code) == (401, 200)
    for answer in (refused, allowed):
        assert "Set-Cookie" not in answer.headers
        assert "Vary" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/static/kuvert.css", "/fs-static/js/webauthn.js", "/admin/static/x.css"]
)
def test_files_that_may_be_kept_carry_no_session(browser: Browser, ann: str, path: str) -> None:
    browser.log_in(ann)

    with browser.get(path) as answer:
        assert "Set-Cookie" not in answer.headers
        assert "Vary" not in answer.headers


@pytest.mark.parametrize("path", ["/api/v1/invoices", "/callbacks/acme", "/healthz"])
def test_no_user_is_looked_for_where_a_key_counts(
    app: Flask, browser: Browser, ann: str, path: str
) -> None:
    browser.log_in(ann)
    asked: list[object] = []

    with user_accessed.connected_to(lambda *_, **__: asked.append(path), app):
        browser.get(path)

    assert asked == []
