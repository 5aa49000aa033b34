"""Pages: their headers, the token in their forms, and pages in place of problems."""

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner

from core.app import create_app
from core.db import database
from tests.support import staff
from tests.support.environment import make_settings

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def directives(policy: str) -> dict[str, str]:
    return dict(one.strip().partition(" ")[::2] for one in policy.split(";"))


# Headers


def test_a_page_does_nothing_that_we_did_not_write(client: FlaskClient) -> None:
    policy = directives(client.get("/login").headers["Content-Security-Policy"])

    nonce = re.fullmatch(r"'self' 'nonce-([\w-]{22})'", policy["script-src"])
    assert nonce
    assert policy == {
        "default-src": "'none'",
        "script-src": f"'self' 'nonce-{nonce[1]}'",
        "style-src": f"'self' 'nonce-{nonce[1]}'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }


def test_every_answer_has_a_nonce_of_its_own(client: FlaskClient) -> None:
    policies = {client.get("/login").headers["Content-Security-Policy"] for _ in range(5)}

    assert len(policies) == 5


def test_a_page_is_not_framed_nor_kept_nor_told_on(client: FlaskClient) -> None:
    headers = client.get("/login").headers

    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in headers["Cache-Control"]
    assert "Strict-Transport-Security" not in headers


def test_over_https_browsers_stay_with_it(home: Path) -> None:
    app = create_app(make_settings(home, PUBLIC_URL="https://desk.example.org"))

    answer = app.test_client().get("/login")

    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    with app.app_context():
        database().close()


@pytest.mark.parametrize("path", ["/nothing", "/login?x", "/admin/nothing"])
def test_a_page_of_an_error_has_them_too(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers=BROWSER)

    assert answer.content_type.startswith("text/html")
    assert "nonce-" in answer.headers["Content-Security-Policy"]


def test_the_page_of_the_api_keeps_its_own_policy(client: FlaskClient) -> None:
    answer = client.get("/docs", headers=BROWSER)

    assert "nonce-" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_answers_to_programs_have_no_use_for_a_policy(client: FlaskClient) -> None:
    assert "Content-Security-Policy" not in client.get("/api/v1/invoices").headers


def test_pages_ask_no_other_site_and_hold_nothing_inline(client: FlaskClient) -> None:
    text = client.get("/login").text

    assert re.findall(r'(?:src|href|action)="(?:https?:)?//', text) == []
    assert re.findall(r"<style|<script(?![^>]*src)|\sstyle=|\son\w+=", text) == []


# Forms


def test_a_form_without_its_token_is_told_to_reload(client: FlaskClient) -> None:
    answer = client.post("/login", data={"email": "ann@example.com", "password": "x"})

    assert answer.status_code == 400
    assert "The form has expired; reload it" in answer.text
    assert answer.content_type == "text/html; charset=utf-8"


@pytest.mark.parametrize("token", ["", "x", "ImFiYyI.ZZZZ.ZZZZ", "\x00", "x" * 10_000])
def test_a_forged_token_is_no_token(client: FlaskClient, token: str) -> None:
    client.get("/login")

    assert client.post("/login", data={"csrf_token": token}).status_code == 400


def test_the_token_of_another_browser_does_not_count(app: Flask) -> None:
    stolen = staff.browser(app).token("/login")
    client = app.test_client()
    client.get("/login")

    assert client.post("/login", data={"csrf_token": stolen}).status_code == 400


def test_a_token_lives_as_long_as_a_session(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, browser = staff.add(), staff.browser(app)
    token = browser.token("/login")
    form = {"email": ann, "password": staff.PASSWORD, "csrf_token": token}
    begun = TimestampSigner.get_timestamp(TimestampSigner("x"))

    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: begun + 11 * 3600)
    in_time = browser.client.post("/login", data=form).status_code
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: begun + 13 * 3600)
    too_late = app.test_client().post("/login", data=form).status_code

    assert (in_time, too_late) == (302, 400)


def test_programs_need_no_token(client: FlaskClient) -> None:
    assert client.post("/api/v1/invoices").status_code == 401
    assert client.post("/callbacks/acme").status_code == 404


# Errors


def test_a_browser_gets_a_page(client: FlaskClient) -> None:
    answer = client.get("/nothing", headers=BROWSER)

    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.text
    assert answer.headers["X-Request-ID"] in answer.text


@pytest.mark.parametrize("accept", [{}, {"Accept": "*/*"}, {"Accept": "application/json"}])
def test_a_program_gets_a_problem(client: FlaskClient, accept: dict[str, str]) -> None:
    answer = client.get("/nothing", headers=accept)

    assert answer.content_type == "application/problem+json"


def test_under_the_api_even_a_browser_gets_a_problem(client: FlaskClient) -> None:
    answer = client.get("/api/v1/invoices", headers=BROWSER)

    assert answer.content_type == "application/problem+json"


def test_nothing_from_outside_is_live_on_the_page_of_an_error(client: FlaskClient) -> None:
    answer = client.get("/<script>alert(1)</script>?<img src=x onerror=y>", headers=BROWSER)

    assert "<script>alert" not in answer.text
    assert "onerror" not in answer.text
