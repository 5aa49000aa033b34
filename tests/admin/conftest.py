"""Fixtures of the staff pages: a browser of somebody with a role, logged in."""

import re
import time
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from core.db import reading, unit_of_work
from core.people import services
from core.people.models import User

USERS = User.__table__
_TOKEN = re.compile(r'name="csrf_token"[^>]* value="([^"]+)"')


class Person:
    """Somebody of staff with a browser."""

    def __init__(self, client: FlaskClient, email: str) -> None:
        self.client = client
        self.email = email

    def get(self, path: str) -> TestResponse:
        """Open a page."""
        return self.client.get(path)

    def text(self, path: str) -> str:
        """Open a page that must be there, and return its HTML."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.get_data(as_text=True)[:2000]
        return answer.get_data(as_text=True)

    def post(self, path: str, /, **fields: object) -> TestResponse:
        """Send a form as a page would have it."""
        return self.client.post(path, data={"csrf_token": self.token(), **fields})

    def token(self) -> str:
        """Return the token of the forms of this session."""
        found = _TOKEN.search(self.client.get("/change").get_data(as_text=True))
        assert found is not None
        return found[1]

    def message(self, answer: TestResponse) -> str:
        """Follow a redirect and return the page with its messages."""
        assert answer.status_code == 302, answer.get_data(as_text=True)[:2000]
        return self.client.get(answer.headers["Location"]).get_data(as_text=True)


LogIn = Callable[..., Person]


@pytest.fixture
def person(app: Flask) -> LogIn:
    """Log somebody with the named role in; unless `is_fresh`, the password was given long ago."""

    def log_in(role: str, *, is_fresh: bool = True, name: str = "") -> Person:
        email = f"{name or role}@example.com"
        with unit_of_work() as connection:
            services.add(connection, email, role, "a long pass phrase of tests")
        with reading() as connection:
            found = connection.scalar(select(USERS.c.fs_uniquifier).where(USERS.c.email == email))
        client = app.test_client()
        with client.session_transaction() as session:
            session["_user_id"], session["_fresh"] = found, True
            session["fs_paa"] = time.time() if is_fresh else 0
        return Person(client, email)

    return log_in


@pytest.fixture
def admin(person: LogIn) -> Person:
    """Somebody who may everything."""
    return person("admin")


@pytest.fixture
def approver(person: LogIn) -> Person:
    """Somebody who may also do what reaches a customer twice."""
    return person("approver")


@pytest.fixture
def operator(person: LogIn) -> Person:
    """Somebody who decides about single invoices."""
    return person("operator")


@pytest.fixture
def viewer(person: LogIn) -> Person:
    """Somebody who may look."""
    return person("viewer")
