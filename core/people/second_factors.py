"""One-time codes that count once, and passkeys as Kuvert asks for them."""

import re
import unicodedata
from typing import cast

from flask import request
from flask_babel import gettext as _
from flask_security import Totp, UserMixin, WebauthnUtil
from passlib.totp import TotpMatch
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from core.people.models import User
from core.web import settings

_NAME = re.compile(r"[\w .-]+")
_LONGEST_NAME = 64


class Codes(Totp):
    """Codes of authenticator apps; one that was used is refused (RFC 6238 §5.2)."""

    def get_last_counter(self, user: UserMixin) -> int | None:
        """Return the step of the last code that was used."""
        return cast("User", user).tf_last_counter

    def set_last_counter(self, user: UserMixin, tmatch: TotpMatch) -> None:
        """Keep the step of the code; the page that asked for it commits."""
        cast("User", user).tf_last_counter = tmatch.counter


class Passkeys(WebauthnUtil):
    """What we ask of passkeys: any device, and for logging in alone that it knows its owner."""

    def origin(self) -> str:
        """Return where the page came from, as the browser sees it in spite of a proxy."""
        scheme = "https" if settings().is_https else request.scheme
        return f"{scheme}://{request.host}"

    def authenticator_selection(
        self,
        user: UserMixin,
        usage: str,
    ) -> AuthenticatorSelectionCriteria:
        """Return what a new passkey must be able to do."""
        del user
        return AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED
            if usage == "first"
            else ResidentKeyRequirement.PREFERRED,
            user_verification=_verification([usage]),
        )

    def user_verification(
        self, user: UserMixin | None, usage: list[str]
    ) -> UserVerificationRequirement:
        """Return whether the device must ask for its PIN or a finger."""
        del user
        return _verification(usage)

    def name_svn(self, value: str) -> tuple[str | None, str | None]:
        """Return what is wrong with the name of a passkey, or its clean form."""
        name = " ".join(unicodedata.normalize("NFKC", value).split())
        if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
            longest = _LONGEST_NAME
            return _("Letters, digits, spaces and - _ . alone; at most %(n)s", n=longest), None
        return None, name


def _verification(usage: list[str]) -> UserVerificationRequirement:
    if "secondary" in usage:
        return UserVerificationRequirement.DISCOURAGED
    return UserVerificationRequirement.REQUIRED
