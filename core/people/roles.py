"""The roles of staff. They are ranks: each may do what the ones before it may."""

from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What somebody may do, from least to most.

    viewer sees and exports; operator decides about single invoices and pauses providers;
    approver does what reaches a customer twice or changes many rows; admin sets Kuvert up.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


class Ranked(Protocol):
    """Somebody with a role; whoever is not logged in has none."""

    @property
    def role(self) -> str:
        """The name of the role."""

    @property
    def is_active(self) -> bool:
        """Whether the account is not disabled."""


def may(user: Ranked | None, role: Role) -> bool:
    """Tell whether `user` has `role` or one above it; nobody has none, nor has a disabled user."""
    if user is None or not user.is_active:
        return False
    return _RANKS[user.role] >= _RANKS[role]


_RANKS: dict[str, int] = {role: place for place, role in enumerate(Role)}
