"""Failed logins: how they slow down, lock and are forgotten."""

import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import insert, select, update

from core.app import create_app
from core.clock import utcnow
from core.db import database, insist, reading, unit_of_work
from core.people import attempts, services
from core.people.attempts import Proof
from core.people.models import LoginFailure, User
from tests.support import staff
from tests.support.environment import make_settings
from tests.support.staff import Browser

pytestmark = pytest.mark.pages

ANN = "ann@example.com"
HERE, THERE = "198.51.100.7", "203.0.113.9"
FAILURES = LoginFailure.__table__


def fail(email: str = ANN, address: str = HERE, *, at: datetime) -> timedelta | None:
    """Try once and fail; how long to wait, where it was not even tried."""
    with unit_of_work() as connection:
        return attempts.begin(connection, Proof.PASSWORD, email, address, at)


def fail_patiently(times: int, address: str = HERE, *, at: datetime) -> datetime:
    """Fail so often, waiting as long as asked; returns when that was done."""
    done = 0
    while done < times:
        wait = fail(address=address, at=at)
        at += wait or timedelta()
        done += wait is None
    return at


def test_five_failures_are_free(app: Flask) -> None:
    now = utcnow()

    waits = [fail(at=now) for _ in range(6)]

    assert waits == [None] * 5 + [timedelta(seconds=5)]


def test_the_wait_grows_to_a_quarter_of_an_hour(app: Flask) -> None:
    now = utcnow()
    waits = []

    for _ in range(30):
        wait = fail(at=now)
        if wait:
            waits.append(int(wait.total_seconds()))
            now += wait

    assert waits[:4] == [5, 10, 20, 40]
    assert waits[-1] == 900


def test_a_try_that_comes_too_early_is_not_counted(app: Flask) -> None:
    now = utcnow()
    fail_patiently(5, at=now)

    waits = {fail(at=now) for _ in range(20)}

    assert waits == {timedelta(seconds=5)}


def test_another_address_is_not_locked_with_it(app: Flask) -> None:
    now = fail_patiently(6, at=utcnow())

    assert fail(address=THERE, at=now) is None


def test_another_account_is_not_locked_with_it(app: Flask) -> None:
    now = fail_patiently(6, at=utcnow())

    assert fail("bob@example.com", at=now) is None


def test_an_account_is_locked_from_anywhere_after_many(app: Flask) -> None:
    now = utcnow()
    for number in range(attempts.FREE_ACCOUNT):
        assert fail(address=f"192.0.2.{number}", at=now) is None

    assert fail(address=THERE, at=now) == timedelta(seconds=5)


def test_nobody_can_lock_an_owner_out_of_where_they_are(app: Flask) -> None:
    staff.add(email=ANN)
    with unit_of_work() as connection:
        connection.execute(update(User.__table__).values(current_login_ip=HERE))
    now = utcnow()
    for number in range(attempts.FREE_ACCOUNT + 1):
        fail(address=f"192.0.2.{number}", at=now)

    assert fail(address=HERE, at=now) is None
    assert fail(address=THERE, at=now) is not None


@pytest.mark.one_database
def test_the_many_addresses_of_one_host_are_one(app: Flask) -> None:
    """Whoever has IPv6 has at least 2⁶⁴ of them."""
    now = utcnow()

    waits = [fail(address=f"2001:db8:1:2::{number:x}", at=now) for number in range(1, 7)]

    assert waits == [None] * 5 + [timedelta(seconds=5)]
    assert fail(address="2001:db8:1:3::1", at=now) is None


def test_an_address_is_locked_for_all_accounts_after_many(app: Flask) -> None:
    now = utcnow()
    for number in range(attempts.FREE_ADDRESS):
        assert fail(f"user{number}@example.com", at=now) is None

    assert fail("another@example.com", at=now) == timedelta(seconds=5)


def test_a_success_takes_its_own_counts_back(app: Flask) -> None:
    now = utcnow()
    for _ in range(attempts.FREE_ADDRESS + 5):
        assert fail(at=now) is None
        with unit_of_work() as connection:
            attempts.passed(connection, Proof.PASSWORD, ANN, HERE, now)

    with reading() as connection:
        assert set(connection.scalars(select(FAILURES.c.count))) == {0}


def test_a_success_does_not_hide_failures_for_other_accounts(app: Flask) -> None:
    """Whoever has one account could otherwise try all others from the same address."""
    now = utcnow()
    for number in range(attempts.FREE_ADDRESS):
        fail(f"user{number}@example.com", at=now)
        if fail("mallory@example.com", at=now) is None:
            with unit_of_work() as connection:
                attempts.passed(connection, Proof.PASSWORD, "mallory@example.com", HERE, now)

    assert fail("another@example.com", at=now) is not None


def test_a_right_password_does_not_free_the_codes(app: Flask) -> None:
    now = utcnow()
    for _ in range(5):
        with unit_of_work() as connection:
            attempts.begin(connection, Proof.CODE, ANN, HERE, now)
            attempts.begin(connection, Proof.PASSWORD, ANN, HERE, now)
            attempts.passed(connection, Proof.PASSWORD, ANN, HERE, now)

    with unit_of_work() as connection:
        assert attempts.begin(connection, Proof.CODE, ANN, HERE, now) is not None


def test_failures_are_forgotten_after_a_day(app: Flask) -> None:
    now = fail_patiently(10, at=utcnow())

    assert fail(at=now + timedelta(hours=24, seconds=1)) is None
    with reading() as connection:
        assert set(connection.scalars(select(FAILURES.c.count))) == {1}


def test_unlocking_forgets_them_at_once(app: Flask) -> None:
    staff.add(email=ANN)
    now = fail_patiently(5, at=utcnow())

    with unit_of_work() as connection:
        services.unlock(connection, ANN)

    assert fail(at=now) is None


def test_what_was_typed_is_not_kept(app: Flask) -> None:
    fail("my password by mistake", at=utcnow())

    with reading() as connection:
        rows = str(connection.execute(select(FAILURES)).all())
    assert "mistake" not in rows
    assert HERE not in rows


def test_a_thousand_at_once_are_as_many_as_a_thousand_in_a_row(app: Flask) -> None:
    now = utcnow()
    with unit_of_work() as connection:  # the row is there: what is tried is the counting
        connection.execute(insert(FAILURES).values(key="x", count=0, last_at=now))
    tried: list[bool] = []

    def storm() -> None:
        with app.app_context():
            for _ in range(125):
                wait = insist(
                    lambda connection: attempts.begin(connection, Proof.PASSWORD, ANN, HERE, now)
                )
                tried.append(wait is None)

    threads = [threading.Thread(target=storm) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(tried) == 1000
    assert sum(tried) == 5


# The same over HTTP


@pytest.mark.one_database
def test_a_thousand_wrong_passwords_are_slowed_and_locked(app: Flask) -> None:
    ann, browser = staff.add(), staff.browser(app)
    token = browser.token("/login")
    fields = {"email": ann, "password": "a heron waits by the pond", "csrf_token": token}
    base = {"REMOTE_ADDR": HERE}

    answers = [browser.client.post("/login", data=fields, environ_base=base) for _ in range(1000)]

    looked_at = [answer for answer in answers if answer.status_code == 200]
    assert 5 <= len(looked_at) <= 12  # a second or two pass meanwhile
    assert {answer.status_code for answer in answers} == {200, 429}
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert "Too many failed logins" in answers[-1].text


@pytest.mark.one_database
def test_the_right_password_does_not_help_while_locked(browser: Browser, ann: str) -> None:
    for _ in range(5):
        browser.log_in(ann, "a heron waits by the pond")

    assert browser.log_in(ann).status_code == 429
    assert not browser.is_in()


@pytest.mark.one_database
def test_known_and_unknown_accounts_are_locked_alike(app: Flask, ann: str) -> None:
    answers = []
    for email in (ann, "nobody@example.com"):
        browser = staff.browser(app, address=THERE if email == ann else HERE)
        codes = [browser.log_in(email, "a heron waits by the pond").status_code for _ in range(7)]
        answers.append(codes)

    assert answers[0] == answers[1] == [200] * 5 + [429] * 2


@pytest.mark.one_database
def test_the_first_proxy_in_front_says_the_address(
    home: Path, database_url: str, app: Flask
) -> None:
    """With one proxy the last entry counts: what the caller wrote before it is not believed."""
    ann = staff.add()
    behind = create_app(make_settings(home, DATABASE_URL=database_url, PROXIES="1"))
    client = behind.test_client()
    token = staff.TOKEN.search(client.get("/login").text)
    assert token
    fields = {"email": ann, "password": staff.PASSWORD, "csrf_token": token[1]}

    client.post("/login", data=fields, headers={"X-Forwarded-For": "1.1.1.1, 203.0.113.50"})
    with behind.app_context():
        database().close()

    with reading() as connection:
        assert connection.scalar(select(User.__table__.c.current_login_ip)) == "203.0.113.50"
