"""What staff change of sources, providers and keys, and what they cannot."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Row, Table, select, update

from core.clock import utcnow
from core.db import reading, unit_of_work
from core.editing import By
from core.errors import ChangedError, ConflictError, InputError, NotFoundError
from core.ids import new_id
from core.settings import Settings
from core.web import settings
from invoices import access, edits, setup
from invoices.access import KEYS
from invoices.setup import PROVIDERS, SOURCES, NewProvider
from tests.support import desk
from tests.support.environment import make_settings
from tests.support.factories import SourceWithKey, add_invoice, add_source

pytestmark = pytest.mark.every_database

ANNA, BERT = By("anna"), By("bert")
ACME = NewProvider(
    code="acme",
    channel="http",
    url="https://acme.example.com/in",
    callback_secret_refs=["env:ACME_SECRET"],
)


@pytest.fixture
def strict(tmp_path: Path) -> Settings:
    return make_settings(tmp_path, ALLOW_PRIVATE_TARGETS="off")


@pytest.fixture
def acme(app: Flask) -> UUID:
    with unit_of_work() as connection:
        return setup.add_provider(connection, ACME, settings=settings())


def row_of(table: Table, row_id: UUID) -> Row[Any]:
    with reading() as connection:
        return connection.execute(select(table).where(table.c.id == row_id)).one()


def edit_source(source_id: UUID, version: int | None = None, **values: object) -> set[str]:
    with unit_of_work() as connection:
        return edits.edit_source(connection, source_id, values, ANNA, version)


def edit_provider(
    provider_id: UUID,
    values: dict[str, Any],
    version: int | None = None,
    found: Settings | None = None,
) -> set[str]:
    with unit_of_work() as connection:
        return edits.edit_provider(
            connection, provider_id, values, ANNA, version, settings=found or settings()
        )


# Sources


def test_a_source_gets_another_name_and_provider(source: SourceWithKey, acme: UUID) -> None:
    assert edit_source(source.id, 1, name="crm", provider_id=acme) == {"name", "provider_id"}

    row = row_of(SOURCES, source.id)
    assert (row.name, row.provider_id, row.updated_by) == ("crm", acme, "anna")


def test_a_source_can_do_without_a_provider(source: SourceWithKey) -> None:
    edit_source(source.id, provider_id=None)

    assert row_of(SOURCES, source.id).provider_id is None


def test_a_source_stays_in_its_environment(source: SourceWithKey) -> None:
    with pytest.raises(InputError, match="environment cannot be changed"):
        edit_source(source.id, environment="live")


def test_a_source_cannot_take_the_name_of_another(source: SourceWithKey) -> None:
    add_source("crm")

    with pytest.raises(ConflictError, match="a source crm already"):
        edit_source(source.id, name="crm")
    assert row_of(SOURCES, source.id).name == "erp"


@pytest.mark.parametrize("name", ["", " erp", "e\0rp", "x" * 101])
def test_a_source_keeps_a_readable_name(source: SourceWithKey, name: str) -> None:
    with pytest.raises(InputError):
        edit_source(source.id, name=name)


def test_a_source_cannot_go_through_nobody(source: SourceWithKey) -> None:
    with pytest.raises(InputError, match="no such provider"):
        edit_source(source.id, provider_id=new_id())


def test_a_source_that_is_no_more_is_not_found(app: Flask) -> None:
    with pytest.raises(NotFoundError):
        edit_source(new_id(), name="crm")


def test_a_source_that_is_enabled_again_has_its_keys_again(source: SourceWithKey) -> None:
    with unit_of_work() as connection:
        edits.disable_source(connection, "erp", ANNA)
    with unit_of_work() as connection:
        edits.enable_source(connection, "erp", BERT)

    assert access.authenticate(source.key).source_id == source.id
    assert (row_of(SOURCES, source.id).version, row_of(SOURCES, source.id).updated_by) == (
        3,
        "bert",
    )


# Providers


def test_a_provider_is_reached_and_believed_anew(acme: UUID) -> None:
    wanted: dict[str, object] = {
        "url": "https://acme.example.com/v2",
        "is_idempotent": True,
        "auth_ref": "file:/run/secrets/acme",
        "callback_profile": "hmac-sha256",
        "callback_secret_refs": ["env:ACME_NEW", "env:ACME_SECRET"],
        "settings": {"timeout_seconds": "5"},
        "concurrency": 4,
    }

    assert edit_provider(acme, wanted, 1) == set(wanted)

    row = row_of(PROVIDERS, acme)
    assert {name: getattr(row, name) for name in wanted} == wanted
    assert (row.version, row.updated_by, row.state) == (2, "anna", "active")


def test_an_empty_field_is_none(acme: UUID) -> None:
    edit_provider(acme, {"auth_ref": "env:TOKEN"})
    edit_provider(acme, {"auth_ref": ""})

    assert row_of(PROVIDERS, acme).auth_ref is None


def test_a_sandbox_without_a_url_is_where_it_usually_is(source: SourceWithKey) -> None:
    sandbox = row_of(SOURCES, source.id).provider_id
    edit_provider(sandbox, {"url": "http://127.0.0.1:9/invoices"})
    edit_provider(sandbox, {"url": ""})

    assert row_of(PROVIDERS, sandbox).url == setup.SANDBOX_URL


@pytest.mark.parametrize("field", ["code", "channel", "state", "pace", "failures", "version"])
def test_what_staff_do_not_set_cannot_be_edited(acme: UUID, field: str) -> None:
    with pytest.raises(InputError, match=f"{field} cannot be changed"):
        edit_provider(acme, {field: "x"})


def test_all_that_would_be_wrong_is_said_at_once(acme: UUID, strict: Settings) -> None:
    hopeless = {
        "url": "http://10.0.0.1/",
        "auth_ref": "hunter2",
        "concurrency": 0,
        "settings": {"timeout_seconds": "31"},
    }
    with pytest.raises(InputError) as caught:
        edit_provider(acme, hopeless, found=strict)

    wrong = {finding.where for finding in caught.value.findings}
    assert wrong == {"/url", "/auth_ref", "/concurrency", "/settings/timeout_seconds"}
    assert row_of(PROVIDERS, acme).version == 1


def test_one_that_works_keeps_a_secret_by_which_it_is_believed(
    acme: UUID, strict: Settings
) -> None:
    with pytest.raises(InputError, match="pause it first"):
        edit_provider(acme, {"callback_secret_refs": []}, found=strict)

    with unit_of_work() as connection:
        edits.pause_provider(connection, "acme", "no secret yet", ANNA)
    edit_provider(acme, {"callback_secret_refs": []}, found=strict)
    assert row_of(PROVIDERS, acme).callback_secret_refs == []


def test_what_tasks_write_makes_no_edit_fail_and_is_not_overwritten(acme: UUID) -> None:
    until = utcnow() + timedelta(minutes=1)
    with unit_of_work() as connection:
        busy = {"failures": 7, "closed_until": until, "pace": 4, "alarm": "answered 401"}
        connection.execute(update(PROVIDERS).where(PROVIDERS.c.id == acme).values(**busy))

    edit_provider(acme, {"url": "https://acme.example.com/v2"}, 1)

    row = row_of(PROVIDERS, acme)
    assert (row.failures, row.closed_until, row.pace, row.alarm) == (7, until, 4, "answered 401")


def test_an_edit_of_what_was_paused_meanwhile_says_so(acme: UUID) -> None:
    with unit_of_work() as connection:
        edits.pause_provider(connection, "acme", "maintenance", BERT)

    with pytest.raises(ChangedError) as caught:
        edit_provider(acme, {"url": "https://acme.example.com/v2"}, 1)

    assert caught.value.theirs["state"] == "paused"
    assert caught.value.theirs["state_reason"] == "maintenance"
    assert "alarm" not in caught.value.theirs


def test_a_draining_provider_gets_nothing_new_and_ends_what_it_began(
    source: SourceWithKey,
) -> None:
    begun, fresh = add_invoice(source), add_invoice(source)
    with unit_of_work() as connection:
        mine = desk.DELIVERIES.c.invoice_id == begun
        connection.execute(update(desk.DELIVERIES).where(mine).values(attempt_count=1))
        edits.drain_provider(connection, "sandbox", "moves house", ANNA, settings=settings())

    claimed = desk.ids_of(desk.claim())

    [row] = [item for item in desk.rows(desk.DELIVERIES) if item.id in claimed]
    assert row.invoice_id == begun != fresh


def test_one_that_nobody_could_believe_is_not_drained(acme: UUID, strict: Settings) -> None:
    with unit_of_work() as connection:
        edits.pause_provider(connection, "acme", "no secret yet", ANNA)
    edit_provider(acme, {"callback_secret_refs": []}, found=strict)

    with pytest.raises(ConflictError, match="stays paused"), unit_of_work() as connection:
        edits.drain_provider(connection, "acme", "why", ANNA, settings=strict)


# Keys


def key_row(source: SourceWithKey) -> Row[Any]:
    with reading() as connection:
        return connection.execute(select(KEYS).where(KEYS.c.source_id == source.id)).one()


def set_expiry(source: SourceWithKey, moment: datetime | None, version: int | None = None) -> None:
    with unit_of_work() as connection:
        access.set_expiry(connection, key_row(source).prefix, moment, ANNA, version)


def test_a_key_ends_when_it_is_said_to(source: SourceWithKey) -> None:
    moment = utcnow() + timedelta(days=30)

    set_expiry(source, moment, 1)

    row = key_row(source)
    assert (row.expires_at, row.version, row.updated_by) == (moment, 2, "anna")
    set_expiry(source, None)
    assert key_row(source).expires_at is None


@pytest.mark.parametrize("days", [-1, 0, 3651])
def test_a_key_ends_neither_in_the_past_nor_in_ages(source: SourceWithKey, days: int) -> None:
    with pytest.raises(InputError, match="later than now"):
        set_expiry(source, utcnow() + timedelta(days=days))


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
def test_a_key_that_has_ended_is_not_brought_back(source: SourceWithKey, column: str) -> None:
    desk.change(KEYS, **{column: utcnow() - timedelta(seconds=1)})

    with pytest.raises(ConflictError, match="make a new one"):
        set_expiry(source, None)


def test_of_two_who_end_a_key_the_second_is_told(source: SourceWithKey) -> None:
    prefix = key_row(source).prefix
    with unit_of_work() as connection:
        access.revoke(connection, prefix, BERT, 1)

    with pytest.raises(ChangedError, match="changed by bert") as caught:
        set_expiry(source, utcnow() + timedelta(days=1), 1)

    assert set(caught.value.theirs) == {"expires_at", "revoked_at"}


def test_the_use_of_a_key_is_no_edit(source: SourceWithKey) -> None:
    access.authenticate(source.key)

    assert key_row(source).last_used_at is not None
    assert key_row(source).version == 1
