"""What happens to the accounts of staff is on record, and none of their secrets."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Row

from core import actor
from core.db import db, unit_of_work
from core.people import services
from core.people.models import Passkey, User
from tests.core.audit.entries import entries
from tests.support import desk, staff
from tests.support.staff import PASSWORD

pytestmark = pytest.mark.pages

NEXT = "another heron waits elsewhere"


def test_a_new_password_is_on_record_but_not_what_it_is(app: Flask) -> None:
    ann = staff.add()
    browser = staff.browser(app)
    browser.log_in(ann)

    browser.post("/change", password=PASSWORD, new_password=NEXT, new_password_confirm=NEXT)

    first, *_, last = entries(kind="users")
    assert first.after["password"] == "set"
    assert (last.actor, last.label) == (ann, ann)
    assert (last.before["password"], last.after["password"]) == ("***", "changed")
    assert "argon2" not in str(entries())


def test_logging_in_and_out_leaves_no_entry(app: Flask) -> None:
    ann = staff.add()
    browser = staff.browser(app)

    browser.log_in(ann)
    browser.get("/logout")

    assert [row.operation for row in entries()] == ["insert"]


def test_a_new_role_says_who_gave_it(app: Flask) -> None:
    staff.add()
    bob = staff.add(email="bob@example.com")

    with actor.acting("ann@example.com"), unit_of_work() as connection:
        services.set_role(connection, bob, "viewer")

    last = entries()[-1]
    assert (last.actor, last.label, last.row_id) == ("ann@example.com", bob, str(rows()[1].id))
    assert (last.before, last.after) == ({"role": "admin"}, {"role": "viewer"})


def test_a_passkey_is_called_by_its_owner_and_its_name(app: Flask) -> None:
    staff.add()
    now = rows()[0].created_at
    with unit_of_work():
        db.session.add(
            Passkey(
                user_id=rows()[0].id,
                name="laptop",
                credential_id=b"c0ffee",
                public_key=b"her public key",
                sign_count=0,
                backup_state=False,
                device_type="single_device",
                lastuse_datetime=now,
                usage="first",
            )
        )
    with unit_of_work():
        db.session.query(Passkey).update({"sign_count": 1, "lastuse_datetime": now})
        db.session.query(Passkey).one().name = "phone"

    added, renamed = entries(kind="passkeys")
    assert (added.label, added.after["public_key"]) == ("ann@example.com laptop", "set")
    assert renamed.after == {"name": "phone"}
    assert "her public key" not in str(entries())


def rows() -> list[Row[Any]]:
    return desk.rows(User.__table__)
