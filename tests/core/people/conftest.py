"""Somebody with an account, and a browser."""

import pytest
from flask import Flask

from tests.support import staff
from tests.support.staff import Browser


@pytest.fixture
def ann(app: Flask) -> str:
    """Ann, an admin; her mail address."""
    return staff.add()


@pytest.fixture
def browser(app: Flask) -> Browser:
    """A browser in which nobody is logged in."""
    return staff.browser(app)
