"""`manage.py user`."""

import io

import pytest
from flask import Flask

from tests.support import staff
from tests.support.console import Console
from tests.support.staff import PASSWORD, Browser

ANN, BOB = "ann@example.com", "bob@example.com"


def type_in(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(line))


@pytest.mark.pages
def test_a_user_that_was_added_can_log_in(console: Console, browser: Browser) -> None:
    made = console("user", "add", "Ann@Example.com", "--role", "viewer", "--json").json()

    browser.log_in(ANN, made["password"])

    assert made["email"] == ANN
    assert browser.is_in()


def test_the_password_is_printed_once_for_people_too(console: Console) -> None:
    done = console("user", "add", ANN, "--role", "viewer")

    assert "password" in done.out
    assert "not shown again" in done.err
    assert "password" not in console("user", "list").out


def test_a_password_of_one_s_own_is_not_printed(
    console: Console, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, f"{PASSWORD}\n")

    done = console("user", "add", ANN, "--role", "admin", "--password-stdin", "--json")

    assert done.json() == {"email": ANN, "role": "admin"}
    browser.log_in(ANN)
    assert browser.is_in()


@pytest.mark.parametrize("line", ["", "\n", "short\n", "password1234\n"])
def test_a_weak_password_is_refused_in_one_line(
    console: Console, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """L10."""
    type_in(monkeypatch, line)

    done = console("user", "add", ANN, "--role", "admin", "--password-stdin")

    assert done.code == 1
    assert done.err.count("\n") == 1
    assert line.strip() not in done.err or not line.strip()
    assert console("user", "list", "--json").json() == []


@pytest.mark.parametrize("role", ["root", "", "Admin"])
def test_an_unknown_role_is_wrong_use(console: Console, role: str) -> None:
    done = console("user", "add", ANN, "--role", role)

    assert done.code == 2
    assert "approver" in done.err


def test_a_second_one_of_the_same_name_is_refused(console: Console) -> None:
    console("user", "add", ANN, "--role", "viewer")

    done = console("user", "add", "ANN@example.com", "--role", "viewer")

    assert (done.code, done.err) == (1, f"Error: There is a user {ANN} already\n")


@pytest.mark.pages
def test_the_list_says_who_is_who(console: Console) -> None:
    console("user", "add", ANN, "--role", "admin")
    console("user", "add", BOB, "--role", "viewer")
    console("user", "role", BOB, "operator")
    console("user", "disable", BOB)

    rows = console("user", "list", "--json").json()

    assert [(row["email"], row["role"], row["state"]) for row in rows] == [
        (ANN, "admin", "active"),
        (BOB, "operator", "disabled"),
    ]


def test_a_disabled_user_can_be_enabled(console: Console, app: Flask) -> None:
    staff.add(email=BOB)
    staff.add(email=ANN)
    console("user", "disable", ANN)
    refused = staff.browser(app)
    refused.log_in(ANN)

    console("user", "enable", ANN)

    again = staff.browser(app)
    again.log_in(ANN)
    assert (refused.is_in(), again.is_in()) == (False, True)


def test_a_new_password_is_made(console: Console, browser: Browser) -> None:
    staff.add(email=ANN)

    made = console("user", "reset-password", ANN, "--json").json()

    browser.log_in(ANN, made["password"])
    assert browser.is_in()


def test_a_password_repeated_is_refused(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """L10."""
    staff.add(email=ANN)
    type_in(monkeypatch, PASSWORD)

    done = console("user", "reset-password", ANN, "--password-stdin")

    assert (done.code, done.err) == (1, "Error: This is the password they have now\n")


def test_who_is_locked_can_be_unlocked(console: Console, browser: Browser) -> None:
    staff.add(email=ANN)
    for _ in range(6):
        browser.log_in(ANN, "a heron waits by the pond")

    assert console("user", "unlock", ANN).code == 0

    browser.log_in(ANN)
    assert browser.is_in()


def test_the_last_admin_stays(console: Console) -> None:
    staff.add(email=ANN)

    done = console("user", "disable", ANN)

    assert done.code == 1
    assert "last admin" in done.err


@pytest.mark.parametrize("command", ["disable", "enable", "unlock", "reset-password"])
def test_nobody_of_that_name_is_an_error(console: Console, command: str) -> None:
    done = console("user", command, "zoe@example.com")

    assert (done.code, done.err) == (1, "Error: There is no user zoe@example.com\n")
