"""Staff in front of a browser: somebody who logs in and sends forms, as Flask's client does."""

import re
from dataclasses import dataclass

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.db import unit_of_work
from core.people import services
from core.people.roles import Role

PASSWORD = "a heron waits by the weir"
TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@dataclass
class Browser:
    """One browser: its cookies, and the token of the form it sees."""

    client: FlaskClient
    address: str = "198.51.100.7"

    def get(self, path: str, **kwargs: object) -> TestResponse:
        """Look at a page."""
        return self.client.get(path, environ_base={"REMOTE_ADDR": self.address}, **kwargs)

    def post(self, path: str, *, form: str | None = None, **fields: str) -> TestResponse:
        """Look at the page of a form (`path` unless `form` says where), fill it in, send it."""
        fields["csrf_token"] = self.token(form or path)
        return self.client.post(path, data=fields, environ_base={"REMOTE_ADDR": self.address})

    def token(self, path: str) -> str:
        """Return the token in the form of a page."""
        found = TOKEN.search(self.get(path).text)
        assert found, f"no form at {path}"
        return found[1]

    def log_in(self, email: str, password: str = PASSWORD, path: str = "/login") -> TestResponse:
        """Log in with a password."""
        return self.post(path, email=email, password=password)

    def take_cookies_of(self, other: "Browser") -> None:
        """Have the cookies of another browser, as a thief would."""
        for cookie in (other.client._cookies or {}).values():
            self.client.set_cookie(cookie.key, cookie.value, domain=cookie.domain)

    def is_in(self) -> bool:
        """Tell whether somebody is logged in."""
        return self.get("/change").status_code == 200


def add(role: Role = Role.ADMIN, email: str = "ann@example.com") -> str:
    """Add somebody with PASSWORD; returns the mail address."""
    with unit_of_work() as connection:
        services.add(connection, email, role, PASSWORD)
    return email


def browser(app: Flask, address: str = "198.51.100.7") -> Browser:
    """Open a new browser."""
    return Browser(app.test_client(), address)
