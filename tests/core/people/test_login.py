"""Logging in with a password, and out."""

import pytest
from flask import Flask

from tests.support import staff
from tests.support.staff import Browser

pytestmark = pytest.mark.every_database


@pytest.fixture
def ann(app: Flask) -> str:
    return staff.add()


@pytest.fixture
def browser(app: Flask) -> Browser:
    return staff.browser(app)


def test_the_right_password_lets_in(browser: Browser, ann: str) -> None:
    answer = browser.log_in(ann)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
    assert browser.is_in()


def test_another_password_does_not(browser: Browser, ann: str) -> None:
    answer = browser.log_in(ann, "a heron waits by the pond")

    assert "identity or password" in answer.text
    assert not browser.is_in()
