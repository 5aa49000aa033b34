"""Providers on the channel smtp: what they need, and what they are refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from core.db import reading, unit_of_work
from core.errors import InputError
from core.settings import Settings
from invoices import setup
from invoices.channels import Route
from invoices.mail_route import mail_route
from invoices.setup import NewProvider
from tests.support.environment import make_settings

MAIL = NewProvider(
    code="mail",
    channel="smtp",
    url="smtps://billing%40seller.example@mail.example.com",
    auth_ref="env:MAIL_PASSWORD",
    settings={"mail_from": "billing@seller.example", "timeout_seconds": "7"},
)


@pytest.fixture
def strict(tmp_path: Path) -> Settings:
    return make_settings(tmp_path, ALLOW_PRIVATE_TARGETS="off")


def add(new: NewProvider, settings: Settings) -> Route:
    with unit_of_work() as connection:
        setup.add_provider(connection, new, settings=settings)
    with reading() as connection:
        return Route.of(setup.provider(connection, new.code))


def test_one_is_added_and_works_without_a_callback_secret(app: Flask, strict: Settings) -> None:
    add(MAIL, strict)

    with reading() as connection:
        row = setup.provider(connection, "mail")
    assert (row.state, row.is_idempotent) == ("active", False)


def test_its_password_is_read_where_it_is_kept(
    app: Flask, strict: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "hunter2")

    way = mail_route(add(MAIL, strict), strict)

    assert (way.server.user, way.server.password) == ("billing@seller.example", "hunter2")
    assert (way.server.shown, way.server.timeout_seconds) == ("mail.example.com:465", 7)
    assert (way.mail_from, way.bounces_to) == ("billing@seller.example",) * 2
    assert "hunter2" not in repr(way)


def test_it_may_use_the_server_and_sender_of_the_settings(app: Flask, tmp_path: Path) -> None:
    settings = make_settings(
        tmp_path,
        ALLOW_PRIVATE_TARGETS="off",
        SMTP_URL="smtp://10.0.0.25:25?tls=off",
        MAIL_FROM="Blau GmbH <billing@seller.example>",
    )

    way = mail_route(add(NewProvider(code="mail", channel="smtp"), settings), settings)

    assert way.server.shown == "10.0.0.25:25"
    assert (way.sender_name, way.mail_from) == ("Blau GmbH", "billing@seller.example")


@pytest.mark.parametrize(
    ("changes", "where", "words"),
    [
        ({"url": None, "auth_ref": None}, "/url", "unless KUVERT_SMTP_URL is set"),
        ({"url": None}, "/auth_ref", "there is no url"),
        ({"url": "https://mail.example.com"}, "/url", "scheme 'https' is not known"),
        ({"url": "smtps://u:hunter2@mail.example.com"}, "/url", "a password does not belong here"),
        ({"url": "smtps://mail.example.com"}, "/url", "needed is the user"),
        ({"auth_ref": None}, "/auth_ref", "url names a user"),
        ({"url": "smtps://u@10.0.0.7"}, "/url", "not a public address"),
        ({"url": "smtp://127.0.0.1:25"}, "/url", "of your own network is named in KUVERT_SMTP_URL"),
        ({"url": "smtp://u@mail.example.com:22"}, "/url", "port 22 is not allowed"),
        ({"url": "smtp://u@mail.example.com?tls=off"}, "/url", "in clear"),
        ({"settings": {}}, "/settings/mail_from", "unless KUVERT_MAIL_FROM is set"),
        (
            {"settings": {"mail_from": "accounts-receivable-dept@seller.example"}},
            "/settings/mail_from",
            "or set bounces_to",
        ),
        ({"is_idempotent": True}, "/is_idempotent", "honour no dispatch key"),
        ({"settings": {"reference_pointer": "/id"}}, "/settings/reference_pointer", "known:"),
    ],
    ids=[
        *("no server", "a password of nobody", "another scheme", "a password in it"),
        *(
            "no user",
            "no password",
            "inside",
            "on this machine",
            "another port",
            "in clear",
            "no sender",
        ),
        *("no room for a token", "a key", "a setting of another channel"),
    ],
)
def test_what_is_wrong_is_said_where(
    app: Flask, strict: Settings, changes: dict[str, object], where: str, words: str
) -> None:
    with pytest.raises(InputError) as caught:
        add(replace(MAIL, **changes), strict)  # type: ignore[arg-type]

    found = {finding.where: finding.message for finding in caught.value.findings}
    assert words in found[where]
    assert "hunter2" not in caught.value.detail


def test_when_the_settings_lose_their_server_it_is_said(app: Flask, tmp_path: Path) -> None:
    settings = make_settings(tmp_path, SMTP_URL="smtp://localhost", MAIL_FROM="a@b.example")
    route = add(NewProvider(code="mail", channel="smtp"), settings)

    with pytest.raises(InputError, match="unless KUVERT_SMTP_URL is set"):
        mail_route(route, replace(settings, smtp_url=None))
