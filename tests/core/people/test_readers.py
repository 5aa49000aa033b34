"""Who only looks at a page of the desk: known by the session, as it stands in the database now."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask, request_finished
from sqlalchemy import update

from core import csrf
from core.clock import utcnow
from core.db import unit_of_work
from core.people import guards, readers, services
from core.people.models import User
from core.people.roles import Role
from tests.support import staff
from tests.support.staff import Browser

pytestmark = pytest.mark.pages
Take = Callable[..., object]


def test_a_page_of_the_desk_knows_who_looks(app: Flask, browser: Browser, ann: str) -> None:
    browser.log_in(ann)
    seen = []

    def note(*_: object, **__: object) -> None:
        seen.append(guards.user())

    with request_finished.connected_to(note, app):
        page = browser.get("/admin/invoice/").text

    assert ann in page
    assert seen == [readers.Reader(ann, Role.ADMIN, active=True)]


@pytest.mark.parametrize(
    "take",
    [
        services.disable,
        lambda connection, email: services.set_role(connection, email, Role.VIEWER),
        services.reset_password,
    ],
    ids=["disable", "role", "password"],
)
def test_what_takes_something_away_ends_the_look(browser: Browser, ann: str, take: Take) -> None:
    staff.add(email="bob@example.com")
    browser.log_in(ann)
    assert browser.get("/admin/").status_code == 200

    with unit_of_work() as connection:
        take(connection, ann)

    assert browser.get("/admin/").status_code == 302


def test_whoever_is_disabled_by_hand_sees_nothing(browser: Browser, ann: str) -> None:
    browser.log_in(ann)
    with unit_of_work() as connection:
        connection.execute(update(User.__table__).values(active=False))

    assert browser.get("/admin/invoice/").status_code == 302


def test_each_person_sees_their_own_name(app: Flask, browser: Browser, ann: str) -> None:
    bob = staff.add(Role.VIEWER, "bob@example.com")
    other = staff.browser(app)
    browser.log_in(ann)
    other.log_in(bob)

    pages = [one.get("/admin/invoice/").text for one in (browser, other, browser)]

    assert [(ann in page, bob in page) for page in pages] == [
        (True, False),
        (False, True),
        (True, False),
    ]


def test_a_form_s_token_is_signed_anew_each_minute(
    browser: Browser, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.log_in(ann)
    start = utcnow().replace(second=1)
    tokens = []
    for seconds in (0, 58, 60):
        monkeypatch.setattr(csrf, "utcnow", lambda: start + timedelta(seconds=seconds))  # noqa: B023
        tokens.append(browser.token("/admin/invoice/"))

    assert tokens[0] == tokens[1]
    answers = [
        browser.client.post("/admin/invoice/action/", data={"csrf_token": token, "action": "none"})
        for token in tokens
    ]
    assert [answer.status_code for answer in answers] == [404] * 3


def test_nobody_gets_the_token_of_another_session(app: Flask, browser: Browser, ann: str) -> None:
    other = staff.browser(app)
    browser.log_in(ann)
    other.log_in(ann)

    foreign = other.token("/admin/invoice/")

    assert foreign != browser.token("/admin/invoice/")
    answer = browser.client.post("/logout", data={"csrf_token": foreign})
    assert answer.status_code == 400
