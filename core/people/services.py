"""The verbs of staff: add somebody, change the role, disable, enable, give a new password.

Whatever takes something away from somebody also ends their sessions.
"""

import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.clock import utcnow
from core.errors import ConflictError, InputError, NotFoundError
from core.ids import new_id
from core.people import attempts, emails, passwords
from core.people.models import Passkey, User
from core.people.roles import Role

USERS = User.__table__
PASSKEYS = Passkey.__table__
_NO_SECOND_FACTOR = {
    "tf_primary_method": None,
    "tf_totp_secret": None,
    "tf_last_counter": None,
    "mf_recovery_codes": None,
}


def add(connection: Connection, email: str, role: str, password: str | None = None) -> str:
    """Add somebody who may log in at once; return the password, a new one unless given.

    Raises:
        InputError: no mail address, no such role, or a weak password.
        ConflictError: there is such a user already.
    """
    address = emails.normal(email)
    chosen = _role(role)
    if password is not None:
        _check(password, address)
    password = password or passwords.made()
    now = utcnow()
    row = {
        "id": new_id(),
        "email": address,
        "role": chosen,
        "active": True,
        "login_count": 0,
        "created_at": now,
        "version": 1,
        "fs_webauthn_user_handle": _token(),
        **_credentials(password, now),
    }
    try:
        with connection.begin_nested():
            connection.execute(insert(USERS).values(row))
    except IntegrityError:
        raise ConflictError(f"There is a user {address} already") from None
    return password


def add_first(connection: Connection, email: str) -> str | None:
    """Add an admin where nobody is there yet; return the password, None when somebody is."""
    if connection.scalar(select(USERS.c.id).limit(1)) is not None:
        return None
    return add(connection, email, Role.ADMIN.value)


def users(connection: Connection) -> list[dict[str, object]]:
    """Return all users, by address, without secrets."""
    keys = select(PASSKEYS.c.user_id, func.count().label("passkeys")).group_by(PASSKEYS.c.user_id)
    counted = keys.subquery()
    statement = (
        select(USERS, func.coalesce(counted.c.passkeys, 0).label("passkeys"))
        .outerjoin(counted, counted.c.user_id == USERS.c.id)
        .order_by(USERS.c.email)
    )
    return [_shown(row) for row in connection.execute(statement)]


def find(connection: Connection, email: str) -> Row[tuple[object, ...]]:
    """Return the user with this address, whichever way it is written.

    Raises:
        InputError: it is no mail address.
        NotFoundError: there is no such user.
    """
    address = emails.normal(email)
    row = connection.execute(select(USERS).where(USERS.c.email == address)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no user {address}")
    return row


def set_role(connection: Connection, email: str, role: str) -> None:
    """Give somebody another role; their sessions end.

    Raises:
        InputError: no mail address, or no such role.
        NotFoundError: there is no such user.
        ConflictError: nobody would be left to administer Kuvert.
    """
    user, chosen = find(connection, email), _role(role)
    if user.role == chosen:
        return
    if user.active:
        _keep_an_admin(connection, user)
    _change(connection, user.id, role=chosen, fs_uniquifier=_token())


def disable(connection: Connection, email: str) -> None:
    """Let somebody in no more; their sessions end.

    Raises:
        InputError: no mail address.
        NotFoundError: there is no such user.
        ConflictError: nobody would be left to administer Kuvert.
    """
    user = find(connection, email)
    if user.active:
        _keep_an_admin(connection, user)
        _change(connection, user.id, active=False, fs_uniquifier=_token())


def enable(connection: Connection, email: str) -> None:
    """Let somebody in again, with the password and role they had.

    Raises:
        InputError: no mail address.
        NotFoundError: there is no such user.
    """
    user = find(connection, email)
    if not user.active:
        _change(connection, user.id, active=True)


def reset_password(
    connection: Connection,
    email: str,
    password: str | None = None,
    *,
    forget_second_factors: bool = False,
) -> str:
    """Give somebody a password, a new one unless given, and return it; their sessions end.

    Failed logins are forgotten. `forget_second_factors` takes authenticator app, recovery codes
    and passkeys away: for whoever has lost them.

    Raises:
        InputError: no mail address, or a weak password, or the one they have.
        NotFoundError: there is no such user.
    """
    user = find(connection, email)
    if password is not None:
        _check(password, user.email)
        if passwords.is_right(password, user.password):
            raise InputError.at("/password", "repeated", "This is the password they have now")
    password = password or passwords.made()
    values = _credentials(password, utcnow())
    if forget_second_factors:
        values |= _NO_SECOND_FACTOR
        connection.execute(delete(PASSKEYS).where(PASSKEYS.c.user_id == user.id))
    _change(connection, user.id, **values)
    attempts.forget(connection, user.email)
    return password


def unlock(connection: Connection, email: str) -> None:
    """Forget the failed logins of somebody, from wherever they came.

    Raises:
        InputError: no mail address.
        NotFoundError: there is no such user.
    """
    attempts.forget(connection, find(connection, email).email)


def end_sessions(connection: Connection, user_id: UUID) -> None:
    """End the sessions of somebody in all browsers."""
    _change(connection, user_id, fs_uniquifier=_token())


def _change(connection: Connection, user_id: UUID, **values: object) -> None:
    changed = {"updated_at": utcnow(), **values, "version": USERS.c.version + 1}
    connection.execute(update(USERS).where(USERS.c.id == user_id).values(changed))


def _keep_an_admin(connection: Connection, user: Row[tuple[object, ...]]) -> None:
    """Refuse to take the last admin away; the rows stay locked, so that two cannot at once."""
    admins = select(USERS.c.id).where(USERS.c.role == Role.ADMIN.value, USERS.c.active)
    found = set(connection.scalars(admins.order_by(USERS.c.id).with_for_update()))
    if found == {user.id}:
        raise ConflictError(f"{user.email} is the last admin; make somebody else one first")


def _role(role: str) -> str:
    known = [one.value for one in Role]
    if role not in known:
        why = f"There is no role {role!r}; known: {', '.join(known)}"
        raise InputError.at("/role", "unknown", why)
    return str(role)


def _check(password: str, email: str) -> None:
    why = passwords.weakness(password, email)
    if why:
        raise InputError.at("/password", "weak", why)


def _credentials(password: str, now: datetime) -> dict[str, object]:
    return {
        "password": passwords.hashed(password),
        "password_changed_at": now,
        "updated_at": now,
        "fs_uniquifier": _token(),
    }


def _token() -> str:
    return secrets.token_hex(32)


def _shown(row: Row[tuple[object, ...]]) -> dict[str, object]:
    return {
        "email": row.email,
        "role": row.role,
        "state": "active" if row.active else "disabled",
        "two_factor": row.tf_primary_method is not None,
        "passkeys": row.passkeys,
        "last_login_at": row.current_login_at,
        "created_at": row.created_at,
    }
