"""The secrets of a subscription: derived, never stored."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from core.webhooks import Secret, derive_secret


def secret_of(subscription_id: UUID, number: int, secret_key: str) -> Secret:
    """Return secret `number` of a subscription, derived from KUVERT_SECRET_KEY."""
    return derive_secret(secret_key, f"subscription:{subscription_id}", number)


def live_secrets(subscription: Row[Any], secret_key: str, now: datetime) -> Sequence[Secret]:
    """Return what a push is signed with: the newest secret, and the one before while it lives."""
    old_until = subscription.old_secret_until
    count = 2 if old_until is not None and old_until > now else 1
    numbers = subscription.secret_numbers[:count]
    return [secret_of(subscription.id, number, secret_key) for number in numbers]
