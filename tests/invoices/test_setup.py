"""Sources and providers: added, paused, resumed."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Connection, Row, select

from core.db import reading, unit_of_work
from core.editing import By
from core.errors import ConflictError, InputError, NotFoundError
from core.settings import Settings
from core.web import settings
from invoices import edits, setup
from invoices.setup import PROVIDERS, SOURCES, NewProvider
from tests.support.environment import make_settings

pytestmark = pytest.mark.every_database

BY = By("anna")


@pytest.fixture
def strict(tmp_path: Path) -> Settings:
    return make_settings(tmp_path, ALLOW_PRIVATE_TARGETS="off")


def add(new: NewProvider, found: Settings | None = None) -> UUID:
    with unit_of_work() as connection:
        return setup.add_provider(connection, new, settings=found or settings())


ACME = NewProvider(
    code="acme",
    channel="http",
    url="https://acme.example.com/in",
    callback_secret_refs=["env:ACME_SECRET"],
)


def provider(code: str = "acme") -> Row[Any]:
    with reading() as connection:
        return connection.execute(select(PROVIDERS).where(PROVIDERS.c.code == code)).one()


def test_a_source_is_added_with_its_provider(app: Flask) -> None:
    provider_id = add(ACME)
    with unit_of_work() as connection:
        source_id = setup.add_source(connection, "erp", "live", "acme")

    with reading() as connection:
        row = connection.execute(select(SOURCES)).one()
        listed = setup.sources(connection)
    assert (row.id, row.name, row.environment, row.provider_id) == (
        source_id, "erp", "live", provider_id,
    )  # fmt: skip
    assert [(source["name"], source["provider"]) for source in listed] == [("erp", "acme")]


def test_a_source_needs_no_provider(app: Flask) -> None:
    with unit_of_work() as connection:
        setup.add_source(connection, "erp", "test")

    with reading() as connection:
        assert setup.sources(connection)[0]["provider"] is None


def test_a_second_source_of_the_name_is_refused(app: Flask) -> None:
    with unit_of_work() as connection:
        setup.add_source(connection, "erp", "test")

    with pytest.raises(ConflictError, match="a source erp already"), unit_of_work() as connection:
        setup.add_source(connection, "erp", "live")


@pytest.mark.parametrize("name", ["", " ", " erp", "erp ", "e\nrp", "x" * 101, "\x1b[31m"])
def test_a_source_needs_a_readable_name(app: Flask, name: str) -> None:
    with pytest.raises(InputError), unit_of_work() as connection:
        setup.add_source(connection, name, "test")


def test_a_source_of_an_unknown_provider_or_environment_is_refused(app: Flask) -> None:
    with pytest.raises(NotFoundError, match="nobody"), unit_of_work() as connection:
        setup.add_source(connection, "erp", "test", "nobody")
    with pytest.raises(InputError), unit_of_work() as connection:
        setup.add_source(connection, "erp", "prod")


def test_disabling_an_unknown_source_says_so(app: Flask) -> None:
    with pytest.raises(NotFoundError, match="erp"), unit_of_work() as connection:
        edits.disable_source(connection, "erp", BY)


def test_a_provider_is_added_ready_for_work(app: Flask) -> None:
    add(replace(ACME, is_idempotent=True, auth_ref="file:/run/secrets/acme"))

    row = provider()
    assert (row.state, row.state_reason, row.version, row.failures) == ("active", None, 1, 0)
    assert row.is_idempotent
    assert row.callback_profile == "standard-webhooks"
    assert row.callback_secret_refs == ["env:ACME_SECRET"]


def test_a_second_provider_of_the_code_is_refused(app: Flask) -> None:
    add(ACME)

    with pytest.raises(ConflictError, match="a provider acme already"):
        add(ACME)


def test_all_that_is_wrong_with_a_provider_is_said_at_once(app: Flask, strict: Settings) -> None:
    wrong = NewProvider(
        code="Not A Code",
        channel="fax",
        url="http://127.0.0.1/",
        auth_ref="hunter2",
        callback_profile="none",
        callback_secret_refs=["env:A", "env:B", "hunter3"],
        concurrency=0,
    )

    with pytest.raises(InputError) as caught:
        add(wrong, strict)

    assert {finding.where for finding in caught.value.findings} == {
        "/code",
        "/channel",
        "/url",
        "/auth_ref",
        "/callback_profile",
        "/callback_secret_refs",
        "/callback_secret_refs/2",
        "/concurrency",
    }
    assert "hunter" not in caught.value.detail


def test_a_provider_on_http_needs_a_url(app: Flask) -> None:
    with pytest.raises(InputError, match="url"):
        add(replace(ACME, url=None))


@pytest.mark.parametrize(
    "url", ["http://acme.example.com/", "https://10.0.0.1/", "https://localhost/"]
)
def test_a_provider_is_reached_by_https_at_a_public_address(
    app: Flask, strict: Settings, url: str
) -> None:
    """G17."""
    with pytest.raises(InputError):
        add(replace(ACME, url=url), strict)


def test_development_may_reach_a_provider_at_home(app: Flask) -> None:
    add(replace(ACME, url="http://127.0.0.1:9000/in", callback_secret_refs=[]))

    assert provider().state == "active"


def test_a_provider_whose_callbacks_nobody_can_verify_stays_paused(
    app: Flask, strict: Settings
) -> None:
    """G17."""
    add(replace(ACME, callback_secret_refs=[]), strict)

    assert provider().state == "paused"
    assert "no callback secret" in provider().state_reason
    with pytest.raises(ConflictError, match="no callback secret"), unit_of_work() as connection:
        edits.resume_provider(connection, "acme", BY, settings=strict)


def test_the_sandbox_is_at_home_unless_told(app: Flask, strict: Settings) -> None:
    add(NewProvider(code="sandbox", channel="sandbox"), strict)

    assert provider("sandbox").url == setup.SANDBOX_URL
    assert provider("sandbox").state == "active"


def test_a_channel_that_is_not_there_is_refused(app: Flask, strict: Settings) -> None:
    with pytest.raises(InputError, match="channel: one of http, smtp, sandbox"):
        add(NewProvider(code="fax", channel="fax"), strict)


def test_a_paused_provider_is_resumed_with_a_clean_sheet(app: Flask) -> None:
    add(ACME)
    with unit_of_work() as connection:
        edits.pause_provider(connection, "acme", " maintenance ", BY)
    paused = provider()
    with unit_of_work() as connection:
        connection.execute(PROVIDERS.update().values(alarm="401", failures=7))
        edits.resume_provider(connection, "acme", BY, settings=settings())

    assert (paused.state, paused.state_reason, paused.version) == ("paused", "maintenance", 2)
    resumed = provider()
    assert (resumed.state, resumed.state_reason, resumed.version) == ("active", None, 3)
    assert (resumed.alarm, resumed.failures) == (None, 0)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_pause_needs_a_reason(app: Flask, reason: str) -> None:
    add(ACME)

    with pytest.raises(InputError), unit_of_work() as connection:
        edits.pause_provider(connection, "acme", reason, BY)


def test_pausing_an_unknown_provider_says_so(app: Flask) -> None:
    with pytest.raises(NotFoundError, match="nobody"), unit_of_work() as connection:
        edits.pause_provider(connection, "nobody", "why", BY)


def test_packages_above_hear_of_a_new_provider(app: Flask) -> None:
    heard: list[UUID] = []

    def hear(connection: Connection, provider_id: UUID) -> None:
        assert connection.execute(select(PROVIDERS.c.id)).scalar_one() == provider_id
        heard.append(provider_id)

    setup.provider_added.append(hear)
    try:
        provider_id = add(ACME)
    finally:
        setup.provider_added.remove(hear)

    assert heard == [provider_id]


def test_providers_are_listed_by_code(app: Flask) -> None:
    add(replace(ACME, code="zebra"))
    add(replace(ACME, code="ant"))

    with reading() as connection:
        assert [row["code"] for row in setup.providers(connection)] == ["ant", "zebra"]
