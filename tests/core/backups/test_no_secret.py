"""A backup gives no secret away (P20): seeded ones are looked for in all that is in it."""

import base64
import zipfile
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.backups import taking
from core.db import database, unit_of_work
from core.people import services as people
from core.people.roles import Role
from core.web import settings
from invoices import setup
from tests.core.people.test_second_factors import set_up
from tests.support.environment import ENVIRON
from tests.support.factories import SourceWithKey, invoice_json
from tests.support.provider import SECRET
from tests.support.staff import PASSWORD, Browser

CREDENTIALS = "a-token-that-opens-the-provider"


def forms(secret: str) -> set[bytes]:
    """The ways in which a secret may stand there."""
    raw = secret.encode()
    packed = base64.b64encode(raw)
    return {raw, raw.hex().encode(), packed.rstrip(b"=")[:-1], raw[::-1]}


def contents(path: Path) -> bytes:
    with zipfile.ZipFile(path) as file:
        return b"\n".join(file.read(name) for name in file.namelist())


@pytest.mark.every_database
def test_no_seeded_secret_is_in_a_backup(
    app: Flask,
    api: FlaskClient,
    source: SourceWithKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEST_CALLBACK_SECRET", SECRET)
    monkeypatch.setenv("TEST_CREDENTIALS", CREDENTIALS)
    new = setup.NewProvider(
        code="post",
        channel="http",
        url="https://198.51.100.7/invoices",
        auth_ref="env:TEST_CREDENTIALS",
        callback_secret_refs=["env:TEST_CALLBACK_SECRET"],
    )
    with unit_of_work() as connection:
        setup.add_provider(connection, new, settings=settings())
        people.add(connection, "ann@example.com", Role.ADMIN, PASSWORD)
    hook = {"url": "http://127.0.0.1:9/hook"}
    key = {"Idempotency-Key": "once"}
    answer = api.post("/api/v1/subscriptions", json=hook, headers=key)
    subscription_secret = (answer.json or {})["secret"]
    assert api.post("/api/v1/invoices", json=invoice_json(), headers=key).status_code == 202
    browser = Browser(app.test_client())
    browser.log_in("ann@example.com")
    phone = set_up(browser)

    taking.take(database(), tmp_path / "a.zip")

    secrets = {
        "password": PASSWORD,
        "API key": source.key.rpartition("_")[2],
        "callback secret": SECRET.removeprefix("whsec_"),
        "credentials": CREDENTIALS,
        "subscription's secret": subscription_secret.removeprefix("whsec_"),
        "KUVERT_SECRET_KEY": ENVIRON["KUVERT_SECRET_KEY"],
        "authenticator": phone.base32_key,
    }
    held = contents(tmp_path / "a.zip")
    assert b"env:TEST_CREDENTIALS" in held
    assert source.key.split("_")[2].encode() in held
    found = [name for name, secret in secrets.items() if any(one in held for one in forms(secret))]
    assert found == []
