"""Errors that mean something to a caller.

KuvertError                500
├── SettingsError               wrong settings; the process does not start (exit 78)
├── UnreadableError        400  the request cannot be read at all
├── InputError             422  it can be read and breaks a rule; `.findings` says where
├── UnauthenticatedError   401  no key, a wrong one, or a bad signature
├── ForbiddenError         403  the key may not do this
├── NotFoundError          404  no such record, or somebody else's
├── ConflictError          409  the record's state forbids it
├── GoneError              410  it was here, and retention has removed it
├── TooLargeError          413  more bytes than are accepted
├── MediaTypeError         415  not a media type that is read here
├── TooManyError           429  more calls than one key may make
├── NotInstalledError      501  an optional part that this installation lacks
└── UnavailableError       503  a part that is needed is away; try again
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule.

    `where` is a JSON pointer (RFC 6901) such as `/lines/0/net_amount`, or an XPath when
    `is_xpath`; `rule` is a short name or an EN 16931 rule such as `BR-CO-15`.
    """

    where: str
    rule: str
    message: str
    is_xpath: bool = False

    def to_json(self) -> dict[str, str]:
        """Return the finding as a member of a problem's `errors`."""
        place = "xpath" if self.is_xpath else "pointer"
        return {place: self.where, "rule": self.rule, "message": self.message}


class KuvertError(Exception):
    """Base of every error that Kuvert raises on purpose."""

    status_code = 500
    slug = "internal"
    title = "Internal error"

    def __init__(
        self,
        detail: str,
        *,
        findings: Iterable[Finding] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.findings = tuple(findings)
        self.headers = dict(headers or {})


class SettingsError(KuvertError):
    """Settings that cannot be used; one line each in `lines`."""

    slug = "settings"
    title = "Wrong settings"

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class UnreadableError(KuvertError):
    """The request cannot be read at all."""

    status_code = 400
    slug = "unreadable"
    title = "The request cannot be read"


class InputError(KuvertError):
    """The request breaks a rule; `findings` names every place."""

    status_code = 422
    slug = "invalid"
    title = "The request breaks a rule"

    @classmethod
    def at(cls, where: str, rule: str, message: str) -> "InputError":
        """Build the error for one place."""
        return cls(message, findings=[Finding(where, rule, message)])


class UnauthenticatedError(KuvertError):
    """No key, a wrong one, or a bad signature."""

    status_code = 401
    slug = "unauthenticated"
    title = "Not authenticated"


class ForbiddenError(KuvertError):
    """The key may not do this."""

    status_code = 403
    slug = "forbidden"
    title = "Not allowed"


class NotFoundError(KuvertError):
    """No such record, or one of somebody else's."""

    status_code = 404
    slug = "not-found"
    title = "Not found"


class ConflictError(KuvertError):
    """The record's state forbids the request."""

    status_code = 409
    slug = "conflict"
    title = "In conflict with the present state"


class GoneError(KuvertError):
    """It was here and was removed on purpose: by retention, or with the person it was about."""

    status_code = 410
    slug = "gone"
    title = "Removed by retention"


class ChangedError(ConflictError):
    """Somebody else changed the record since its editor read it; nothing was written.

    `theirs` are its fields as they are now, at `version`, so that both can be shown.
    """

    def __init__(
        self,
        detail: str,
        *,
        theirs: Mapping[str, object],
        version: int,
        changed_by: str | None,
        changed_at: datetime | None,
    ) -> None:
        super().__init__(detail)
        self.theirs = dict(theirs)
        self.version = version
        self.changed_by = changed_by
        self.changed_at = changed_at


class TooLargeError(KuvertError):
    """More bytes than are accepted."""

    status_code = 413
    slug = "too-large"
    title = "Too large"


class MediaTypeError(KuvertError):
    """Not a media type that is read here."""

    status_code = 415
    slug = "media-type"
    title = "Media type not accepted"


class TooManyError(KuvertError):
    """More calls than one key may make; Retry-After says when to come back."""

    status_code = 429
    slug = "too-many-requests"
    title = "Too many calls"


class NotInstalledError(KuvertError):
    """An optional part that this installation lacks; the detail says how to install it."""

    status_code = 501
    slug = "not-installed"
    title = "Not installed here"


class UnavailableError(KuvertError):
    """A part that is needed is away for now."""

    status_code = 503
    slug = "unavailable"
    title = "Not available for now"
