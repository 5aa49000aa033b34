"""A new password by mail: for whom, how often, and what it ends."""

import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from flask import Flask
from sqlalchemy import select

from core.app import create_app
from core.audit.models import AuditEntry
from core.db import database, reading, unit_of_work
from core.people import attempts, passwords, services
from core.people.mails import MOST_WAITING, Mails
from core.people.models import User
from core.smtp import pool
from tests.support import desk, staff
from tests.support.environment import make_settings
from tests.support.mail_server import MailServer, mail_server
from tests.support.processes import wait_until
from tests.support.staff import PASSWORD, Browser

NEW = "an otter sleeps under the bridge"
PUBLIC = "https://kuvert.example"
LINK = re.compile(r"https?://\S+/reset/\S+")
SENT = "is on its way"


class _Stage(Protocol):
    """What is wanted of the fixture of that name."""

    @property
    def database_url(self) -> str: ...


@pytest.fixture(scope="module")
def mailing(engine_stage: _Stage, home: Path) -> Iterator[tuple[Flask, MailServer]]:
    """A Kuvert that can send mail, over the database of the tests, and where its mail goes."""
    with mail_server() as server:
        built = create_app(
            make_settings(
                home,
                DATABASE_URL=engine_stage.database_url,
                SMTP_URL=server.url,
                MAIL_FROM="Kuvert <kuvert@seller.example>",
                PUBLIC_URL=f"{PUBLIC}/api-only",
            )
        )
        built.testing = True
        # The cookie of an https address needs one.
        built.config.update(SESSION_COOKIE_SECURE=False, SESSION_COOKIE_NAME="kuvert")
        yield built, server
        pool.close_all()
        with built.app_context():
            database().close()


@pytest.fixture
def server(mailing: tuple[Flask, MailServer]) -> Iterator[MailServer]:
    """The mail server, with nothing taken and nothing on its way."""
    built, server = mailing
    sender: Mails = built.extensions["security"].mail_util
    server.taken.clear()
    yield server
    server.handler.refuses_sender = None
    wait_until(lambda: sender._room._value == MOST_WAITING, 20, "no mail on its way")


@pytest.fixture
def browser(app: Flask, mailing: tuple[Flask, MailServer], server: MailServer) -> Browser:
    """A browser at a Kuvert that can send mail."""
    with mailing[0].app_context():
        # What it had open is of the database before it was emptied.
        database().close()
    return staff.browser(mailing[0])


def ask(browser: Browser, email: str) -> str:
    return browser.post("/reset", email=email).text


def mails(server: MailServer, count: int) -> list[str]:
    """Wait for so many mails, and return their texts."""
    wait_until(lambda: len(server.taken) >= count, 20, f"{count} mails")
    bodies = [one.message.get_body(("plain",)) for one in server.taken]
    return [str(body.get_content()) for body in bodies if body]


def path_in(text: str) -> str:
    found = LINK.search(text)
    assert found is not None
    assert found[0].startswith(f"{PUBLIC}/reset/")
    return found[0].removeprefix(PUBLIC)


def recover(browser: Browser, path: str, password: str = NEW) -> str:
    answer = browser.post(path, password=password, password_confirm=password)
    return answer.headers.get("Location") or answer.text


def test_a_link_comes_by_mail_and_sets_a_new_password(
    browser: Browser, ann: str, server: MailServer
) -> None:
    assert SENT in ask(browser, ann)

    went_to = recover(browser, path_in(mails(server, 1)[0]))
    browser.log_in(ann, NEW)

    assert went_to.endswith("/login")
    assert browser.is_in()
    assert not services_accept(ann, PASSWORD)
    assert [one.recipients for one in server.taken[:1]] == [(ann,)]
    assert server.taken[0].message["From"] == "Kuvert <kuvert@seller.example>"
    assert "was changed a moment ago" in mails(server, 2)[1]


def services_accept(email: str, password: str) -> bool:
    with reading() as connection:
        kept = connection.scalar(select(User.__table__.c.password).where(User.email == email))
    return passwords.is_right(password, str(kept))


def test_the_html_says_the_same_link(browser: Browser, ann: str, server: MailServer) -> None:
    ask(browser, ann)

    [text] = mails(server, 1)
    body = server.taken[0].message.get_body(("html",))

    assert body is not None
    assert set(LINK.findall(str(body.get_content()).replace('"', " ").replace("<", " "))) == {
        f"{PUBLIC}{path_in(text)}"
    }


def test_a_link_counts_once(browser: Browser, ann: str, server: MailServer) -> None:
    ask(browser, ann)
    path = path_in(mails(server, 1)[0])
    recover(browser, path)

    again = browser.get(path)

    assert again.headers["Location"].endswith("/reset")
    assert "does not count" in browser.get("/reset").text


def test_an_older_link_counts_no_more_once_a_newer_was_used(
    browser: Browser, ann: str, server: MailServer
) -> None:
    ask(browser, ann)
    mails(server, 1)
    ask(browser, ann)
    first, second = (path_in(text) for text in mails(server, 2))

    recover(browser, second)

    assert browser.get(first).status_code == 302


def test_a_link_ends_after_an_hour(
    browser: Browser, ann: str, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(browser, ann)
    path = path_in(mails(server, 1)[0])
    now = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 3_700)

    browser.get(path)

    assert "too old" in browser.get("/reset").text


@pytest.mark.parametrize("who", ["nobody@example.com", "no address at all", "bob@example.com"])
def test_the_answer_is_the_same_whoever_is_named(
    browser: Browser, ann: str, server: MailServer, who: str
) -> None:
    with unit_of_work() as connection:
        services.add(connection, "bob@example.com", "viewer", PASSWORD)
        services.disable(connection, "bob@example.com")

    def shown(email: str) -> str:
        return re.sub(r'(csrf_token"|nonce=|value=)[^>]*', "", ask(browser, email))

    assert shown(who) == shown(ann)
    assert len(mails(server, 1)) == 1
    assert server.taken[0].recipients == (ann,)


def test_the_host_that_a_request_names_is_not_in_the_mail(
    browser: Browser, ann: str, server: MailServer
) -> None:
    evil = "http://evil.example"
    page = browser.client.get("/reset", base_url=evil).text
    token = staff.TOKEN.search(page)
    assert token is not None
    fields = {"email": ann, "csrf_token": token[1]}
    answer = browser.client.post("/reset", data=fields, base_url=evil)

    [text] = mails(server, 1)

    assert SENT in answer.text
    assert "evil.example" not in str(server.taken[0].content)
    path_in(text)


def test_sessions_end_and_the_audit_says_why(
    browser: Browser, ann: str, server: MailServer, app: Flask
) -> None:
    other = staff.browser(browser.client.application)
    other.log_in(ann)
    was_in = other.is_in()
    ask(browser, ann)

    recover(browser, path_in(mails(server, 1)[0]))

    entry = desk.rows(AuditEntry.__table__)[-1]
    assert was_in
    assert not other.is_in()
    assert (entry.actor, entry.reason) == (ann, "a link by mail")
    assert NEW not in str(entry)


@pytest.mark.parametrize("password", ["short", "password1234", "ann@example.com1"])
def test_a_weak_password_is_refused(
    browser: Browser, ann: str, server: MailServer, password: str
) -> None:
    ask(browser, ann)

    page = recover(browser, path_in(mails(server, 1)[0]), password)

    assert 'class="errors"' in page
    assert services_accept(ann, PASSWORD)


def test_too_many_links_have_to_wait(browser: Browser, ann: str, server: MailServer) -> None:
    for _ in range(attempts.FREE_PAIR):
        ask(browser, ann)

    answer = browser.post("/reset", email=ann)

    assert answer.status_code == 429
    assert "Too many links" in answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    assert len(mails(server, attempts.FREE_PAIR)) == attempts.FREE_PAIR


def test_asking_for_links_locks_no_login(browser: Browser, ann: str, server: MailServer) -> None:
    for _ in range(attempts.FREE_PAIR + 1):
        ask(browser, ann)

    browser.log_in(ann)

    assert browser.is_in()


def test_a_server_that_refuses_is_in_the_log_and_not_on_the_page(
    browser: Browser, ann: str, server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.handler.refuses_sender = "550 5.7.1 not you"
    with caplog.at_level(logging.INFO, "kuvert.login"):
        page = ask(browser, ann)
        wait_until(lambda: "mail to staff not sent" in caplog.text, 20, "a line in the log")

    assert SENT in page
    assert "/reset/" not in caplog.text


def test_without_mail_there_is_no_recovery(app: Flask) -> None:
    plain = staff.browser(app)

    assert plain.get("/reset").status_code == 404
    assert "Forgot" not in plain.get("/login").text


def test_with_mail_the_login_leads_to_it(browser: Browser) -> None:
    assert 'href="/reset"' in browser.get("/login").text
