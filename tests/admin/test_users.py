"""Users: admins alone, with a fresh login, and nobody takes the last admin away."""

import re

import pytest
from flask import Flask
from sqlalchemy import Row, select

from core.db import reading, unit_of_work
from core.errors import ConflictError
from core.people import passwords, services
from core.people.models import User
from tests.admin.conftest import LogIn, Person

pytestmark = pytest.mark.pages

USERS = User.__table__
SECRET = re.compile(r'<p class="shown-once"><code>([^<]+)</code>')
ACTION = "/admin/user/action/"


def add(email: str = "ann@example.com", role: str = "viewer") -> Row[tuple[object, ...]]:
    with unit_of_work() as connection:
        services.add(connection, email, role, "a heron waits by the weir")
    return found(email)


def found(email: str) -> Row[tuple[object, ...]]:
    with reading() as connection:
        return connection.execute(select(USERS).where(USERS.c.email == email)).one()


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_users_are_for_admins(person: LogIn, role: str) -> None:
    somebody = person(role)
    ann = add()

    for path in ("", "new/", "export/csv/", f"details/?id={ann.id}"):
        assert somebody.get(f"/admin/user/{path}").status_code == 403
    answer = somebody.post(ACTION, action="disable", rowid=ann.id, confirmed="yes")
    assert answer.status_code == 403
    assert "/admin/user/" not in somebody.text("/admin/invoice/")


def test_a_new_user_gets_a_password_that_is_shown_once(admin: Person) -> None:
    html = admin.post("/admin/user/new/", email="New@Example.com", role="operator").text

    [password] = SECRET.findall(html)
    ann = found("new@example.com")
    assert ann.role == "operator"
    assert passwords.is_right(password, str(ann.password))
    assert password not in admin.text(f"/admin/user/details/?id={ann.id}")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"email": "no address", "role": "viewer"}, "mail address"),
        ({"email": "", "role": "viewer"}, "needed to log in"),
        ({"email": "a@example.com", "role": "king"}, "Not a valid choice"),
        ({"email": "admin@example.com", "role": "viewer"}, "There is a user"),
    ],
)
def test_a_wrong_user_is_not_added(admin: Person, fields: dict[str, str], words: str) -> None:
    html = admin.post("/admin/user/new/", **fields).text

    assert words in html
    assert not SECRET.findall(html)


def test_no_secret_is_shown_or_exported(admin: Person) -> None:
    ann = add()
    secrets = [
        str(value)
        for name, value in ann._mapping.items()
        if name in {"password", "fs_uniquifier", "fs_webauthn_user_handle"}
    ]

    pages = [
        admin.text("/admin/user/"),
        admin.text(f"/admin/user/details/?id={ann.id}"),
        admin.text("/admin/user/export/csv/"),
    ]

    assert all("ann@example.com" in page for page in pages)
    assert not [one for one in secrets for page in pages if one in page]
    assert "fs_uniquifier" not in pages[2]


def test_a_role_is_changed_and_sessions_end(admin: Person) -> None:
    ann = add()

    done = admin.post(ACTION, action="role", rowid=ann.id, role="approver", confirmed="yes")

    assert "Done for 1 row" in admin.message(done)
    assert found("ann@example.com").role == "approver"
    assert found("ann@example.com").fs_uniquifier != ann.fs_uniquifier


def test_a_disabled_user_is_out_at_the_next_click(admin: Person, person: LogIn) -> None:
    somebody = person("viewer")
    assert somebody.get("/admin/invoice/").status_code == 200

    admin.post(ACTION, action="disable", rowid=found(somebody.email).id, confirmed="yes")

    assert "/login" in somebody.get("/admin/invoice/").headers["Location"]


def test_an_enabled_user_may_log_in_again(admin: Person) -> None:
    ann = add()
    for action in ("disable", "enable"):
        admin.post(ACTION, action=action, rowid=ann.id, confirmed="yes")

    assert found("ann@example.com").active


def test_a_new_password_is_shown_once_and_is_the_only_one(admin: Person) -> None:
    ann = add()

    html = admin.post(ACTION, action="reset", rowid=ann.id, confirmed="yes").text

    [password] = SECRET.findall(html)
    kept = str(found("ann@example.com").password)
    assert passwords.is_right(password, kept)
    assert not passwords.is_right("a heron waits by the weir", kept)


def test_passwords_are_reset_one_at_a_time(admin: Person) -> None:
    ids = [add(f"{name}@example.com").id for name in ("ann", "bob")]

    done = admin.post(ACTION, action="reset", rowid=ids, confirmed="yes")

    assert "one row at a time" in admin.message(done)


@pytest.mark.parametrize(
    ("action", "why"),
    [("disable", "locks themselves out"), ("role", "the role of their own")],
)
def test_nobody_takes_their_own_rights_away(admin: Person, action: str, why: str) -> None:
    own = found(admin.email)
    add("other@example.com", "admin")

    done = admin.post(ACTION, action=action, rowid=own.id, role="viewer", confirmed="yes")

    assert why in admin.message(done)
    assert (found(admin.email).active, found(admin.email).role) == (True, "admin")


def test_the_last_admin_stays(person: LogIn) -> None:
    one, other = person("admin", name="one"), person("admin", name="other")
    one.post(ACTION, action="role", rowid=found(other.email).id, role="viewer", confirmed="yes")
    with unit_of_work() as connection:
        services.enable(connection, other.email)

    assert found(other.email).role == "viewer"
    with pytest.raises(ConflictError, match="last admin"), unit_of_work() as connection:
        services.disable(connection, one.email)


def test_unlocking_forgets_failed_logins(app: Flask, admin: Person) -> None:
    ann = add()

    done = admin.post(ACTION, action="unlock", rowid=ann.id, confirmed="yes")

    assert "Done for 1 row" in admin.message(done)


@pytest.mark.parametrize("path", ["/admin/user/new/", ACTION])
def test_with_an_old_login_one_proves_first_who_one_is(person: LogIn, path: str) -> None:
    ann, admin = add(), person("admin", is_fresh=False)

    answer = admin.post(path, action="disable", rowid=ann.id, confirmed="yes", email="x@y.example")

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/verify?next=")
    assert found("ann@example.com").active


def test_a_dialog_with_an_old_login_is_sent_as_a_page_then(person: LogIn) -> None:
    ann, admin = add(), person("admin", is_fresh=False)
    admin.client.environ_base["HTTP_X_KUVERT_FRAGMENT"] = "1"

    answer = admin.post(ACTION, action="disable", rowid=ann.id)

    assert answer.status_code == 401


def test_after_the_proof_one_is_back_and_may(person: LogIn) -> None:
    admin = person("admin", is_fresh=False)
    asked = admin.get("/admin/user/new/")

    back = admin.post(asked.headers["Location"], password="a long pass phrase of tests")

    assert back.headers["Location"].endswith("/admin/user/new/")
    assert admin.get("/admin/user/new/").status_code == 200
