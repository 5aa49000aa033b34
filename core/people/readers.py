"""Who looks at a page: the few things that pages for staff ask of whoever is logged in.

Loading the user as an object of the session costs four times as much as the statement itself.
"""

from dataclasses import dataclass

from flask_login import UserMixin
from sqlalchemy import bindparam, select

from core.db import reading
from core.people.models import User

_USERS = User.__table__
_BY_SESSION = select(_USERS.c.email, _USERS.c.role, _USERS.c.active).where(
    _USERS.c.fs_uniquifier == bindparam("key")
)


@dataclass(frozen=True, slots=True)
class Reader(UserMixin):  # type: ignore[misc] # Flask-Login has no types
    """A user who only looks: nothing can be changed through this object."""

    email: str
    role: str
    active: bool

    @property
    def is_active(self) -> bool:
        """Whether the account is not disabled."""
        return self.active


def find(key: str) -> Reader | None:
    """Return whose session holds `key`, in one statement; None when it has ended."""
    with reading() as connection:
        found = connection.execute(_BY_SESSION, {"key": key}).first()
    return None if found is None else Reader(*found)
