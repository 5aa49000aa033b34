"""API keys: made once, kept as a digest, refused when they no longer count."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Row, select, update

from core.clock import utcnow
from core.db import reading, unit_of_work
from core.editing import By
from core.errors import ConflictError, InputError, NotFoundError, UnauthenticatedError
from core.ids import new_id
from invoices import edits
from invoices.access import KEYS, authenticate, create_key, keys, revoke
from tests.support.factories import SourceWithKey, add_source

pytestmark = pytest.mark.every_database

BY = By("anna")


def row_of(key: str) -> Row[Any]:
    with reading() as connection:
        return connection.execute(select(KEYS).where(KEYS.c.prefix == key.split("_")[2])).one()


def write(key: str, **values: object) -> None:
    with unit_of_work() as connection:
        connection.execute(update(KEYS).where(KEYS.c.prefix == key.split("_")[2]).values(**values))


def test_a_key_names_its_source(source: SourceWithKey) -> None:
    caller = authenticate(source.key)

    assert (caller.source_id, caller.source_name) == (source.id, "erp")
    assert caller.environment == "test"
    assert caller.scopes == frozenset()
    assert source.key.split("_")[2] == caller.key_prefix


def test_only_a_digest_of_the_secret_is_kept(source: SourceWithKey) -> None:
    secret = source.key.split("_")[3]

    assert len(bytes.fromhex(secret)) == 32
    assert secret not in str(tuple(row_of(source.key)))


def test_two_keys_differ_in_prefix_and_secret(source: SourceWithKey) -> None:
    with unit_of_work() as connection:
        other = create_key(connection, source.id, "test")

    assert not set(other.split("_")[2:]) & set(source.key.split("_")[2:])
    assert authenticate(other).source_id == source.id


@pytest.mark.parametrize(
    "values",
    [
        {"revoked_at": utcnow()},
        {"expires_at": utcnow()},
        {"environment": "live"},
        {"secret_sha256": "0" * 64},
    ],
)
def test_a_key_that_no_longer_counts_is_refused(
    source: SourceWithKey, values: dict[str, object]
) -> None:
    write(source.key, **values)

    with pytest.raises(UnauthenticatedError):
        authenticate(source.key)


def test_the_keys_of_a_disabled_source_are_refused(source: SourceWithKey) -> None:
    with unit_of_work() as connection:
        edits.disable_source(connection, source.name, BY)

    with pytest.raises(UnauthenticatedError):
        authenticate(source.key)


def test_a_key_counts_until_it_expires(source: SourceWithKey) -> None:
    with unit_of_work() as connection:
        key = create_key(connection, source.id, "test", ["events:read"], expires_days=30)

    assert authenticate(key).scopes == {"events:read"}
    assert timedelta(days=29) < row_of(key).expires_at - utcnow() <= timedelta(days=30)


def test_the_last_use_is_noted_once_a_minute(source: SourceWithKey) -> None:
    authenticate(source.key)
    first = row_of(source.key).last_used_at
    authenticate(source.key)

    assert first is not None
    assert row_of(source.key).last_used_at == first


def test_a_use_after_a_minute_is_noted_again(source: SourceWithKey) -> None:
    before = utcnow() - timedelta(seconds=61)
    write(source.key, last_used_at=before)

    authenticate(source.key)

    assert row_of(source.key).last_used_at > before


def test_a_revoked_key_stays_revoked_since_the_first_time(source: SourceWithKey) -> None:
    prefix = source.key.split("_")[2]
    with unit_of_work() as connection:
        revoke(connection, prefix, BY)
    first = row_of(source.key).revoked_at
    with unit_of_work() as connection:
        revoke(connection, prefix, BY)

    assert row_of(source.key).revoked_at == first


def test_revoking_what_is_not_there_says_so(app: Flask) -> None:
    with pytest.raises(NotFoundError), unit_of_work() as connection:
        revoke(connection, "nothing", BY)


def test_a_key_for_nobody_is_refused(app: Flask) -> None:
    with pytest.raises(NotFoundError), unit_of_work() as connection:
        create_key(connection, new_id(), "test")


def test_a_test_source_has_no_live_keys(source: SourceWithKey) -> None:
    with pytest.raises(ConflictError), unit_of_work() as connection:
        create_key(connection, source.id, "live")


def test_a_live_source_may_have_test_keys(app: Flask) -> None:
    live = add_source(environment="live")

    with unit_of_work() as connection:
        key = create_key(connection, live.id, "test")

    assert authenticate(key).environment == "test"


@pytest.mark.parametrize(
    ("environment", "scopes", "days", "where"),
    [
        ("prod", (), None, "/environment"),
        ("test", ("everything",), None, "/scopes"),
        ("test", (), 0, "/expires_days"),
        ("test", (), 3651, "/expires_days"),
    ],
)
def test_a_key_that_cannot_be_is_refused(
    source: SourceWithKey,
    environment: str,
    scopes: tuple[str, ...],
    days: int | None,
    where: str,
) -> None:
    with pytest.raises(InputError) as caught, unit_of_work() as connection:
        create_key(connection, source.id, environment, scopes, days)

    assert [finding.where for finding in caught.value.findings] == [where]


def test_the_list_of_keys_shows_no_digest(source: SourceWithKey) -> None:
    with reading() as connection:
        [row] = keys(connection)

    assert row["source"] == "erp"
    assert row_of(source.key).secret_sha256 not in str(row)
