"""Tables of staff: users, their passkeys, and failed logins.

Flask-Security reads some columns and methods by their names (`fs_uniquifier`, `tf_…`,
`lastuse_datetime`). Its own base classes are not used: they import all of it and Flask, which
workers and commands have no use for.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKey, LargeBinary, String, Uuid
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.mutable import MutableList
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core import audit
from core.ids import new_id
from core.models import Base
from core.people import passwords

Credential = LargeBinary(1023).with_variant(mysql.VARBINARY(1023), "mysql", "mariadb")
"""The id of a passkey: WebAuthn allows 1023 bytes, and MySQL has no unique rule over a BLOB."""


class User(Base):
    """Somebody of staff.

    `email` is in its normal form (core/people/emails.py). Sessions hold `fs_uniquifier`; once it
    changes, they have ended. Secrets of second factors are encrypted with a key derived from
    KUVERT_SECRET_KEY. `tf_last_counter` is the step of the last one-time code, which counts once.
    """

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    role: Mapped[str] = mapped_column(String(10))
    password: Mapped[str] = mapped_column(String(255))
    active: Mapped[bool]
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    fs_webauthn_user_handle: Mapped[str | None] = mapped_column(String(64), unique=True)
    tf_primary_method: Mapped[str | None] = mapped_column(String(64))
    tf_totp_secret: Mapped[str | None] = mapped_column(String(1000))
    tf_last_counter: Mapped[int | None] = mapped_column(BigInteger)
    mf_recovery_codes: Mapped[list[str] | None] = mapped_column(MutableList.as_mutable(JSON()))
    last_login_at: Mapped[datetime | None]
    current_login_at: Mapped[datetime | None]
    last_login_ip: Mapped[str | None] = mapped_column(String(45))
    current_login_ip: Mapped[str | None] = mapped_column(String(45))
    login_count: Mapped[int] = mapped_column(default=0)
    password_changed_at: Mapped[datetime]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int]

    webauthn: Mapped[list["Passkey"]] = relationship(cascade="all, delete-orphan")

    def __str__(self) -> str:
        return self.email

    # What Flask-Login and Flask-Security ask of a user, as their own UserMixin answers it.

    @property
    def is_active(self) -> bool:
        """Whether the account is not disabled."""
        return self.active

    @property
    def is_authenticated(self) -> bool:
        """A user that was loaded is logged in as long as the account is not disabled."""
        return self.active

    @property
    def is_anonymous(self) -> bool:
        """Never: nobody is somebody else's object."""
        return False

    def get_id(self) -> str:
        """Return what the session holds."""
        return self.fs_uniquifier

    def calc_username(self) -> str:
        """Return the name that authenticator apps and passkeys show."""
        return self.email

    def verify_and_update_password(self, password: str) -> bool:
        """Tell whether `password` is right; how it is kept is brought up to date."""
        if not passwords.is_right(password, self.password):
            return False
        if passwords.is_outdated(self.password):
            self.password = passwords.hashed(password)
        return True

    def check_tf_required(
        self, tf_setup_methods: Sequence[Any], tf_fresh: bool
    ) -> tuple[bool, Sequence[Any]]:
        """Ask for the second factor at every login, where one is set up."""
        del tf_fresh  # no browser is remembered
        return bool(tf_setup_methods), tf_setup_methods

    def check_tf_required_setup(self) -> bool:
        """Nobody is made to set a second factor up."""
        return False

    def is_locked(self, form_error: list[str] | None = None) -> bool:
        """Never here: core/people/attempts.py refuses before a password is looked at."""
        del form_error
        return False

    def track_failed_authn(self, auth_type: str, tfa: bool = False) -> None:
        """Do nothing: the forms count, for they also see who is not a user."""


audit.register(
    User.__table__,
    label="email",
    # What a login writes. `fs_uniquifier` changes at every logout.
    ignore={
        *("last_login_at", "current_login_at", "last_login_ip", "current_login_ip"),
        *("login_count", "tf_last_counter", "fs_uniquifier", "fs_webauthn_user_handle"),
        "password_changed_at",
    },
)


class Passkey(Base):
    """A passkey (WebAuthn credential) of somebody.

    `usage` is `first` (logs in by itself) or `secondary` (after the password).
    """

    __tablename__ = "passkeys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(Uuid(), ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    credential_id: Mapped[bytes] = mapped_column(Credential, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    transports: Mapped[list[str] | None] = mapped_column(JSON)
    backup_state: Mapped[bool]
    device_type: Mapped[str] = mapped_column(String(64))
    extensions: Mapped[str | None] = mapped_column(String(1000))
    lastuse_datetime: Mapped[datetime]
    usage: Mapped[str] = mapped_column(String(64))

    def get_user_mapping(self) -> dict[str, UUID]:
        """Return how Flask-Security finds the owner."""
        return {"id": self.user_id}


audit.register(
    Passkey.__table__,
    label=("user_id", "name"),
    # What a login writes.
    ignore={"sign_count", "backup_state", "lastuse_datetime", "extensions"},
)


class LoginFailure(Base):
    """How often a login failed of late, for one pair of account and address, or one of them.

    `key` and `account` are digests: what was typed may have been a password. `account` stands in
    all rows of the account, known or not, and is NULL in those of an address alone.
    """

    __tablename__ = "login_failures"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str | None] = mapped_column(String(64), index=True)
    count: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)
    locked_until: Mapped[datetime | None]
