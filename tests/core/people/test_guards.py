"""Who may see a page: roles, and proof that is fresh enough."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from flask import Blueprint, Flask

from core.app import create_app
from core.db import database, unit_of_work
from core.people import guards, services
from core.people.roles import Role
from tests.support import staff
from tests.support.environment import make_settings
from tests.support.staff import PASSWORD, Browser

bp = Blueprint("guarded", __name__, url_prefix="/admin/guarded")


@bp.route("/<name>", methods=["GET", "POST"])
@guards.needs(Role.OPERATOR)
def show(name: str) -> str:
    return f"shown {name}"


@bp.route("/danger", methods=["GET", "POST"])
@guards.needs(Role.ADMIN, fresh=True)
def danger() -> str:
    return "done"


@pytest.fixture
def guarded(app: Flask, home: Path, database_url: str) -> Iterator[Flask]:
    """An application with two guarded pages, on the test's database."""
    built = create_app(make_settings(home, DATABASE_URL=database_url))
    built.register_blueprint(bp)
    yield built
    with built.app_context():
        database().close()


def logged_in(guarded: Flask, role: Role) -> Browser:
    browser = staff.browser(guarded)
    browser.log_in(staff.add(role))
    return browser


def age(browser: Browser, minutes: int) -> None:
    """Let the login of a browser be so many minutes ago."""
    with browser.client.session_transaction() as session:
        session["fs_paa"] = time.time() - minutes * 60
        session.pop("fs_gexp", None)


@pytest.mark.parametrize("role", Role)
def test_a_role_lets_in_or_does_not(guarded: Flask, role: Role) -> None:
    browser = logged_in(guarded, role)

    answer = browser.get("/admin/guarded/x")

    assert answer.status_code == (403 if role is Role.VIEWER else 200)


def test_who_may_not_is_told_why(guarded: Flask) -> None:
    answer = logged_in(guarded, Role.VIEWER).get("/admin/guarded/x")

    assert "This needs the role operator; yours is viewer." in answer.text
    assert answer.content_type.startswith("text/html")


def test_a_refusal_is_logged_with_who_and_what(
    guarded: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="kuvert.access")

    logged_in(guarded, Role.VIEWER).get("/admin/guarded/secret")

    [record] = [one.__dict__ for one in caplog.records if one.name == "kuvert.access"]
    assert (record["who"], record["needed"]) == ("ann@example.com", "operator")
    assert record["route"] == "/admin/guarded/<name>"


def test_nobody_is_sent_to_log_in_and_comes_back(guarded: Flask) -> None:
    browser = staff.browser(guarded)
    ann = staff.add()

    answer = browser.get("/admin/guarded/x?page=2")
    back = browser.log_in(ann, path=answer.headers["Location"])

    assert back.headers["Location"] == "/admin/guarded/x?page=2"


def test_a_script_of_a_page_is_told_401(guarded: Flask) -> None:
    answer = staff.browser(guarded).get("/admin/guarded/x", headers={"Accept": "application/json"})

    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"


def test_a_role_that_was_taken_away_is_gone_at_the_next_click(guarded: Flask) -> None:
    staff.add(Role.ADMIN, "bob@example.com")
    browser = logged_in(guarded, Role.ADMIN)
    assert browser.get("/admin/guarded/x").status_code == 200

    with unit_of_work() as connection:
        services.set_role(connection, "ann@example.com", "viewer")

    assert browser.get("/admin/guarded/x").status_code == 302
    browser.log_in("ann@example.com")
    assert browser.get("/admin/guarded/x").status_code == 403


# Danger


def test_a_login_just_now_is_proof_enough(guarded: Flask) -> None:
    assert logged_in(guarded, Role.ADMIN).get("/admin/guarded/danger").text == "done"


def test_an_old_login_has_to_be_confirmed(guarded: Flask) -> None:
    browser = logged_in(guarded, Role.ADMIN)
    age(browser, minutes=31)

    asked = browser.get("/admin/guarded/danger")
    back = browser.post(asked.headers["Location"], password=PASSWORD)

    assert asked.headers["Location"] == "/verify?next=/admin/guarded/danger"
    assert back.headers["Location"] == "/admin/guarded/danger"
    assert browser.get("/admin/guarded/danger").text == "done"


def test_another_password_confirms_nothing(guarded: Flask) -> None:
    browser = logged_in(guarded, Role.ADMIN)
    age(browser, minutes=31)

    answer = browser.post("/verify", password="a heron waits by the pond")

    assert "This is not your password." in answer.text
    assert browser.get("/admin/guarded/danger").status_code == 302


def test_a_form_comes_back_to_where_it_was(guarded: Flask) -> None:
    browser = logged_in(guarded, Role.ADMIN)
    token = browser.token("/change")
    age(browser, minutes=31)
    ways = {"http://localhost/admin/list?q=1": "/admin/list?q=1", "http://evil.example/": "/admin/"}

    for referrer, back in ways.items():
        answer = browser.client.post(
            "/admin/guarded/danger", data={"csrf_token": token}, headers={"Referer": referrer}
        )
        assert answer.status_code == 302
        assert unquote(answer.headers["Location"]) == f"/verify?next={back}"


def test_a_viewer_is_not_asked_to_confirm_what_he_may_not_do(guarded: Flask) -> None:
    browser = logged_in(guarded, Role.VIEWER)
    age(browser, minutes=31)

    assert browser.get("/admin/guarded/danger").status_code == 403


@pytest.mark.parametrize("path", ["/tf-setup", "/wan-register", "/mf-recovery-codes"])
def test_second_factors_are_not_changed_with_an_old_login(guarded: Flask, path: str) -> None:
    browser = logged_in(guarded, Role.VIEWER)
    age(browser, minutes=31)

    assert browser.get(path).headers["Location"] == f"/verify?next={path}"
