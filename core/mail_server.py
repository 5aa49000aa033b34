"""Which mail server takes our mail, and how it is reached: read out of a URL.

`smtps://` is TLS from the first byte (RFC 8314), `smtp://` asks for it by STARTTLS (RFC 3207) and
sends nothing without; on this machine itself it does without. `?tls=off` and `?tls=starttls` say
otherwise, `?timeout_seconds=20` how long a mail may take up to its end.
"""

import math
import re
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote

from core import setting_values, targets
from core.errors import InputError
from core.targets import Target

EXAMPLE: Final = "smtps://kuvert:PASSWORD@mail.example.org"
TIMEOUT_SECONDS: Final = 30.0
LONGEST_TIMEOUT_SECONDS: Final = 60.0
_PORTS: Final = {"smtp": 587, "smtps": 465}
_TLS: Final = ("off", "starttls")
_QUERY: Final = ("tls", "timeout_seconds")
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server. Two that are equal may share a connection.

    `has_tls`: encrypted from the first byte; `must_start_tls`: by STARTTLS, or not at all.
    `allow_private`: the operator's own, which may stand inside; any other must be public.
    `timeout_seconds` is the longest that a mail may take from the call to its last byte.
    """

    target: Target
    has_tls: bool
    must_start_tls: bool
    user: str | None
    password: str | None = field(repr=False)
    allow_private: bool
    timeout_seconds: float

    @classmethod
    def of(cls, url: str, *, allow_private: bool = True, where: str = "/url") -> "Server":
        """Read a URL; user and password are percent-encoded in it.

        Where private addresses are not allowed, neither is doing without TLS.

        Raises:
            InputError: it cannot be one; the message holds no password.
        """
        try:
            return _read(url, allow_private=allow_private, where=where)
        except ValueError as error:
            raise InputError.at(where, "target", str(error)) from None

    def signing_in(self, password: str) -> "Server":
        """Return the server with the password of its user."""
        return replace(self, password=password)

    def within(self, seconds: float) -> "Server":
        """Return the server with another `timeout_seconds`."""
        return replace(self, timeout_seconds=seconds)

    @property
    def shown(self) -> str:
        """Return host and port as people read them."""
        return f"{self.target.bracketed_host}:{self.target.port}"

    @property
    def is_encrypted(self) -> bool:
        """Tell whether a mail goes there encrypted or not at all."""
        return self.has_tls or self.must_start_tls


def read_setting(text: str) -> str:
    """Read KUVERT_SMTP_URL; it holds user and password, or neither.

    Raises:
        ValueError: with a phrase that is safe to show.
    """
    try:
        server = Server.of(text)
    except InputError as error:
        raise ValueError(error.detail) from None
    if server.user and not server.password:
        raise ValueError(f"it names a user and no password; set for example {EXAMPLE}")
    return text


def _read(url: str, *, allow_private: bool, where: str) -> Server:
    parts = setting_values.split(url, ("smtp", "smtps"), EXAMPLE)
    if parts.path.strip("/") or parts.fragment or _BAD_PERCENT.search(parts.netloc):
        raise ValueError(
            "only user, password, host and port belong here; in a password write / as %2F,"
            f" # as %23, ? as %3F, % as %25; set for example {EXAMPLE}"
        )
    options = _options(parts)
    host, port = _host(parts), parts.port or _PORTS[parts.scheme]
    server = Server(
        target=targets.check_mail_server(host, port, allow_private=allow_private, where=where),
        has_tls=parts.scheme == "smtps",
        must_start_tls=_must_start_tls(parts, options.get("tls")),
        user=_text(parts.username),
        password=_text(parts.password),
        allow_private=allow_private,
        timeout_seconds=_seconds(options.get("timeout_seconds")),
    )
    _check_secrecy(server)
    return server


def _host(parts: SplitResult) -> str:
    """Return the host, in brackets when it is an IPv6 address."""
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def _options(parts: SplitResult) -> dict[str, str]:
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = [name for name in given if name not in _QUERY]
    if unknown:
        raise ValueError(f"behind ? only {' and '.join(_QUERY)} mean something")
    return given


def _must_start_tls(parts: SplitResult, wish: str | None) -> bool:
    if wish is not None and (parts.scheme == "smtps" or wish not in _TLS):
        raise ValueError(
            "tls is off or starttls, and only smtp:// takes it: smtps:// is TLS anyway"
        )
    if parts.scheme == "smtps" or wish == "off":
        return False
    return wish == "starttls" or parts.hostname not in setting_values.LOOPBACK


def _seconds(text: str | None) -> float:
    if text is None:
        return TIMEOUT_SECONDS
    if not is_timeout(text):
        most = f"{LONGEST_TIMEOUT_SECONDS:g}"
        raise ValueError(f"timeout_seconds is a number of seconds from 1 to {most}")
    return float(text)


def is_timeout(text: str) -> bool:
    """Tell whether `text` is a number of seconds that a mail may take."""
    plain = re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text)
    return 1 <= (float(text) if plain else math.nan) <= LONGEST_TIMEOUT_SECONDS


def _text(quoted: str | None) -> str | None:
    """Return a user or password as it is meant; None for an empty one."""
    text = unquote(quoted, errors="strict") if quoted else ""
    if "\0" in text:
        raise ValueError("a user or password cannot hold %00")
    return text or None


def _check_secrecy(server: Server) -> None:
    """Refuse what would send a password, or somebody's mail to strangers, in clear."""
    if server.password and not server.user:
        raise ValueError("it names a password and no user")
    if server.is_encrypted:
        return
    if not server.allow_private:
        raise ValueError("without TLS the mail would be sent in clear; take ?tls=off away")
    if server.user and server.target.host not in setting_values.LOOPBACK:
        raise ValueError("with ?tls=off the password would be sent in clear; take one of them away")
