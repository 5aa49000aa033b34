"""Adding people and changing what they may do."""

import threading

import pytest
from flask import Flask
from sqlalchemy import Connection, select

from core.db import db, reading, unit_of_work
from core.errors import ConflictError, InputError, KuvertError, NotFoundError
from core.people import passwords, services
from core.people.models import User
from core.people.roles import Role
from tests.support import staff

pytestmark = pytest.mark.pages

ANN, BOB = "ann@example.com", "bob@example.com"


def user(email: str = ANN) -> User:
    """Read one user."""
    found = db.session.scalars(select(User).where(User.email == email)).one()
    db.session.expunge_all()
    db.session.remove()
    return found


def do(verb: object, *args: object, **kwargs: object) -> object:
    """Call a service in a unit of work of its own."""
    assert callable(verb)
    with unit_of_work() as connection:
        return verb(connection, *args, **kwargs)


def test_the_password_that_is_made_is_right(app: Flask) -> None:
    made = do(services.add, ANN, "viewer")

    assert passwords.is_right(str(made), user().password)
    assert user().role == Role.VIEWER


def test_an_address_is_kept_in_its_normal_form(app: Flask) -> None:
    do(services.add, "  Ann@BÜCHER.example ", "viewer")

    assert user("ann@xn--bcher-kva.example").active


@pytest.mark.parametrize("again", [ANN, "ANN@Example.COM"])
def test_an_address_is_one_account(app: Flask, again: str) -> None:
    do(services.add, ANN, "viewer")

    with pytest.raises(ConflictError, match=r"There is a user ann@example\.com already"):
        do(services.add, again, "admin")


@pytest.mark.parametrize("role", ["", "root", "ADMIN", "admin "])
def test_there_are_four_roles(app: Flask, role: str) -> None:
    with pytest.raises(InputError, match="viewer, operator, approver, admin"):
        do(services.add, ANN, role)


def test_a_weak_password_is_refused(app: Flask) -> None:
    with pytest.raises(InputError, match="first passwords"):
        do(services.add, ANN, "viewer", "Password1234")


def test_the_first_admin_is_made_once(app: Flask) -> None:
    assert do(services.add_first, "admin@localhost")
    assert do(services.add_first, "admin@localhost") is None
    assert user("admin@localhost").role == Role.ADMIN


def test_somebody_else_is_no_reason_for_a_first_admin(app: Flask) -> None:
    do(services.add, ANN, "viewer")

    assert do(services.add_first, "admin@localhost") is None


def test_a_role_can_be_changed(app: Flask) -> None:
    staff.add(Role.VIEWER, ANN)
    before = user()

    do(services.set_role, ANN, "approver")

    after = user()
    assert after.role == Role.APPROVER
    assert after.fs_uniquifier != before.fs_uniquifier
    assert after.version == before.version + 1


def test_the_same_role_again_ends_no_session(app: Flask) -> None:
    staff.add(Role.VIEWER, ANN)
    before = user()

    do(services.set_role, ANN, "viewer")

    assert user().fs_uniquifier == before.fs_uniquifier


@pytest.mark.parametrize(
    "take",
    [services.disable, lambda connection, email: services.set_role(connection, email, "viewer")],
)
def test_an_admin_is_always_left(app: Flask, take: object) -> None:
    staff.add(Role.ADMIN, ANN)
    staff.add(Role.ADMIN, BOB)
    do(services.disable, BOB)

    with pytest.raises(ConflictError, match="last admin"):
        do(take, ANN)

    do(services.enable, BOB)
    do(take, ANN)


def test_disabling_twice_is_disabling_once(app: Flask) -> None:
    staff.add(Role.VIEWER, ANN)
    do(services.disable, ANN)
    before = user()

    do(services.disable, ANN)

    assert user().version == before.version


def test_a_new_password_ends_the_old_one(app: Flask) -> None:
    staff.add(Role.VIEWER, ANN)

    made = str(do(services.reset_password, ANN))

    assert passwords.is_right(made, user().password)
    assert not passwords.is_right(staff.PASSWORD, user().password)


def test_the_same_password_is_no_new_one(app: Flask) -> None:
    staff.add(Role.VIEWER, ANN)

    with pytest.raises(InputError, match="the password they have now"):
        do(services.reset_password, ANN, staff.PASSWORD)


@pytest.mark.parametrize(
    "verb", [services.disable, services.enable, services.reset_password, services.unlock]
)
def test_nobody_is_told_from_somebody(app: Flask, verb: object) -> None:
    with pytest.raises(NotFoundError, match=r"There is no user bob@example\.com"):
        do(verb, "Bob@example.com")
    with pytest.raises(InputError, match="not a mail address"):
        do(verb, "bob")


def test_the_list_shows_no_secret(app: Flask) -> None:
    staff.add(Role.VIEWER, BOB)
    staff.add(Role.ADMIN, ANN)
    do(services.disable, BOB)

    with reading() as connection:
        rows = services.users(connection)

    assert [(row["email"], row["role"], row["state"]) for row in rows] == [
        (ANN, "admin", "active"),
        (BOB, "viewer", "disabled"),
    ]
    assert "argon2" not in str(rows)


def test_two_admins_cannot_take_each_other_away(app: Flask) -> None:
    staff.add(Role.ADMIN, ANN)
    staff.add(Role.ADMIN, BOB)
    failed: list[KuvertError] = []

    def take(email: str) -> None:
        with app.app_context():
            try:
                do(services.disable, email)
            except KuvertError as error:
                failed.append(error)

    threads = [threading.Thread(target=take, args=(email,)) for email in (ANN, BOB)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with reading() as connection:
        assert _admins(connection) == 1
    assert len(failed) == 1


def _admins(connection: Connection) -> int:
    return len(connection.execute(select(User.__table__).where(User.__table__.c.active)).all())
