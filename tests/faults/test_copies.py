"""P20: a copy of the database gives no secret away: seeded ones are looked for in each kind."""

import base64
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import URL, make_url

from core.app import create_app
from core.backups import taking
from core.db import database, unit_of_work
from core.people import services as people
from core.people.roles import Role
from core.smtp import pool
from core.web import settings
from invoices import setup
from tests.core.people.test_second_factors import code_of, set_up
from tests.support import staff
from tests.support.environment import ENVIRON, make_settings
from tests.support.factories import add_source, client_of, invoice_json
from tests.support.mail_server import MailServer, mail_server
from tests.support.processes import wait_until
from tests.support.provider import SECRET
from tests.support.staff import PASSWORD, Browser

CREDENTIALS = "a-token-that-opens-the-provider"
NEW_PASSWORD = "an otter sleeps under the bridge"
LINK = re.compile(r"https?://[^/\s]+(/\S*reset/(\S+))")
CODE = re.compile(r"<li>([0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4})</li>")

Seeds = dict[str, str]


@pytest.fixture
def own(
    engine: str, database_url: str, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Flask, MailServer]]:
    """A Kuvert that can send mail, over the database of the test."""
    monkeypatch.setenv("TEST_CALLBACK_SECRET", SECRET)
    monkeypatch.setenv("TEST_CREDENTIALS", CREDENTIALS)
    with mail_server() as server:
        mailing = {"SMTP_URL": server.url, "MAIL_FROM": "kuvert@seller.example"}
        built = create_app(make_settings(tmp_path, DATABASE_URL=database_url, **mailing))
        built.testing = True
        built.test_client_class = app.test_client_class
        with built.app_context():
            yield built, server
            pool.close_all()
            database().close()


def seeded(app: Flask, server: MailServer) -> Seeds:
    """Have secrets of each kind go through Kuvert, and return them."""
    return partners(app) | people_s(app, server) | {"key": ENVIRON["KUVERT_SECRET_KEY"]}


def partners(app: Flask) -> Seeds:
    """Enter a source, a provider and a subscription, and hand an invoice over."""
    new = setup.NewProvider(
        code="post",
        channel="http",
        url="https://198.51.100.7/invoices",
        auth_ref="env:TEST_CREDENTIALS",
        callback_secret_refs=["env:TEST_CALLBACK_SECRET"],
    )
    source = add_source("erp")
    with unit_of_work() as connection:
        setup.add_provider(connection, new, settings=settings())
    api, once = client_of(app, source.key), {"Idempotency-Key": "once"}
    hook = {"url": "http://127.0.0.1:9/hook"}
    answer = api.post("/api/v1/subscriptions", json=hook, headers=once)
    assert api.post("/api/v1/invoices", json=invoice_json(), headers=once).status_code == 202
    assert api.get("/api/v1/invoices", headers={"Authorization": f"Bearer {source.key}x"}).json
    return {
        "API key": source.key.rpartition("_")[2],
        "provider's key": CREDENTIALS,
        "callback secret": SECRET.removeprefix("whsec_"),
        "subscription's secret": str((answer.json or {})["secret"]).removeprefix("whsec_"),
    }


def people_s(app: Flask, server: MailServer) -> Seeds:
    """Have people log in in each way, and forget their passwords."""
    with unit_of_work() as connection:
        people.add(connection, "ann@example.com", Role.ADMIN, PASSWORD)
        people.add(connection, "bob@example.com", Role.VIEWER, PASSWORD)
    ann = staff.browser(app)
    ann.log_in("ann@example.com")
    phone = set_up(ann)
    codes = CODE.findall(ann.post("/mf-recovery-codes", generate_new_codes="1").text)
    assert len(codes) == 10
    bob = staff.browser(app)
    used, unused = (link_for(bob, server, count) for count in (1, 2))
    bob.post(used[0], password=NEW_PASSWORD, password_confirm=NEW_PASSWORD)
    bob.log_in("bob@example.com", NEW_PASSWORD)
    again = staff.browser(app)
    again.log_in("ann@example.com")
    again.post("/tf-validate", code=code_of(phone))
    return {
        "password": PASSWORD,
        "new password": NEW_PASSWORD,
        "authenticator's seed": phone.base32_key,
        **{f"recovery code {number}": code for number, code in enumerate(codes)},
        "used reset token": used[1],
        "unused reset token": unused[1],
        "session of Ann": session_of(again),
        "session of Bob": session_of(bob),
    }


def link_for(browser: Browser, server: MailServer, count: int) -> tuple[str, str]:
    """Have a link to a new password sent; returns its path and token."""
    browser.post("/reset", email="bob@example.com")
    wait_until(lambda: len(server.taken) >= count, 20, f"{count} mails")
    body = server.taken[count - 1].message.get_body(("plain",))
    assert body is not None
    found = LINK.search(str(body.get_content()))
    assert found is not None
    return found[1], found[2]


def session_of(browser: Browser) -> str:
    """Return the cookie of somebody who is in."""
    assert browser.is_in()
    [cookie] = [one for one in (browser.client._cookies or {}).values() if one.key != "language"]
    return str(cookie.value)


def the_file(url: URL, folder: Path) -> bytes:
    """The files of SQLite as they are, with what has not been written over yet."""
    path = Path(url.database or "")
    return b"\n".join(one.read_bytes() for one in sorted(path.parent.glob(f"{path.name}*")))


def pg_dump(url: URL, folder: Path) -> bytes:
    """What pg_dump writes."""
    server = ("-h", str(url.host), "-p", str(url.port), "-U", str(url.username))
    return output_of("pg_dump", *server, str(url.database))


def mariadb_dump(url: URL, folder: Path) -> bytes:
    """What mariadb-dump writes, with and without letters for bytes."""
    server = (f"--host={url.host}", f"--port={url.port}", f"--user={url.username}")
    plain = output_of("mariadb-dump", *server, str(url.database))
    return plain + output_of("mariadb-dump", "--hex-blob", *server, str(url.database))


def output_of(*command: str) -> bytes:
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def backup(url: URL, folder: Path) -> bytes:
    """What `manage.py backup` writes, unpacked."""
    taking.take(database(), folder / "a.zip")
    with zipfile.ZipFile(folder / "a.zip") as file:
        return b"\n".join(file.read(name) for name in file.namelist())


COPIES: dict[str, Callable[[URL, Path], bytes]] = {
    "sqlite": the_file,
    "postgresql": pg_dump,
    "mysql": mariadb_dump,
}


def forms(secret: str) -> set[bytes]:
    """The ways in which a secret may stand there, in small letters."""
    raw = secret.encode()
    packed = base64.b64encode(raw).rstrip(b"=")[:-1]
    return {one.lower() for one in (raw, raw[::-1], raw.hex().encode(), packed)}


def found_in(held: bytes, seeds: Seeds) -> list[str]:
    """Return the names of the secrets that stand there in some form."""
    small = held.lower()
    return [name for name, seed in seeds.items() if any(one in small for one in forms(seed))]


@pytest.mark.every_database
def test_no_copy_of_the_database_holds_a_seeded_secret(
    own: tuple[Flask, MailServer], engine: str, database_url: str, tmp_path: Path
) -> None:
    seeds = seeded(*own)

    for copy in (COPIES[engine], backup):
        held = copy(make_url(database_url), tmp_path)

        print(f"{engine}, {copy.__name__}: {len(seeds)} secrets in {len(held):,} bytes")
        assert b"ann@example.com" in held
        assert b"env:TEST_CREDENTIALS" in held
        assert found_in(held, seeds) == []


def test_the_search_finds_what_is_there() -> None:
    secret = "0a1b-Secret"
    for form in (secret, secret[::-1], secret.encode().hex().upper(), "MGExYi1TZWNyZXQ="):
        assert found_in(f"INSERT '{form}'".encode(), {"it": secret}) == ["it"]
