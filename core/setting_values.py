"""Turns the text of a setting into its value, or says in one phrase what is wrong with it.

Every reader raises ValueError with a phrase that is safe to show: what was written is repeated
only where it cannot hold a password, and of a URL never more than its scheme.
"""

import difflib
import math
import re
import zoneinfo
from collections.abc import Callable
from email.utils import getaddresses
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from core import tls_files

KEY_RECIPE = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
_ON = frozenset({"1", "on", "true", "yes"})
_OFF = frozenset({"0", "off", "false", "no"})
_ADDRESS = re.compile(r"[^@\s<>,;:]+@[^@\s<>,;:]+")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names of this very machine."""

_LONGEST_SHOWN = 60
_SHORTEST_SECRET = 16
_LONGEST_LABEL = 40
_SCHEME = re.compile(r"[a-z][a-z0-9+]{1,24}")
_INVISIBLE = re.compile(r"[\x00-\x20\x7f]")
_EXAMPLE = {
    "sqlite": "sqlite:////srv/kuvert/kuvert.db",
    "postgresql+psycopg": "postgresql+psycopg://kuvert:PASSWORD@localhost/kuvert",
    "mysql+pymysql": "mysql+pymysql://kuvert:PASSWORD@localhost/kuvert",
}


def show(text: str) -> str:
    """Quote what was written: on one line, not too long."""
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")


def closest(word: str, words: list[str]) -> str:
    """Return `; did you mean …?` for the nearest of `words`, or nothing."""
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.8)
    return f"; did you mean {near[0]}?" if near else ""


def choice(*choices: str) -> Callable[[str], str]:
    """Return a reader of one of `choices`, in any case of letters."""
    spelled = {option.lower(): option for option in choices}

    def read(text: str) -> str:
        if text.lower() not in spelled:
            raise ValueError(f"{show(text)} is not known; set one of {', '.join(choices)}")
        return spelled[text.lower()]

    return read


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of a whole number from `low` to `high`."""

    def read(text: str) -> int:
        # int() alone would also take "1_0", " 1" and digits of other scripts.
        if not re.fullmatch(r"-?[0-9]{1,15}", text) or not low <= int(text) <= high:
            raise ValueError(f"{show(text)}; set a whole number from {low} to {high}")
        return int(text)

    return read


def seconds(low: float, high: float) -> Callable[[str], float]:
    """Return a reader of a number of seconds, fractions allowed, from `low` to `high`."""

    def read(text: str) -> float:
        plain = re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", text)
        value = float(text) if plain else math.nan
        if not low <= value <= high:
            raise ValueError(f"{show(text)}; set a number of seconds from {low:g} to {high:g}")
        return value

    return read


def flag(text: str) -> bool:
    """Read on or off."""
    if text.lower() not in _ON | _OFF:
        raise ValueError(f"{show(text)}; set on or off")
    return text.lower() in _ON


def label(text: str) -> str:
    """Read the name of this installation; `production` in any case of letters is the real one."""
    if text.lower() == "production":
        return "production"
    if text.lower() in ("prod", "prd", "produktion"):
        raise ValueError(f"{show(text)} switches no protection on; set production")
    if not text.isprintable() or not 1 <= len(text) <= _LONGEST_LABEL:
        raise ValueError(f"set a word of at most {_LONGEST_LABEL} visible characters")
    return text


def zone(text: str) -> ZoneInfo:
    """Read an IANA time zone."""
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        hint = closest(text, sorted(zoneinfo.available_timezones()))
        raise ValueError(
            f"no time zone {show(text)}{hint or '; set an IANA name such as Europe/Berlin'}"
        ) from error


def addresses(most: int) -> Callable[[str], str]:
    """Return a reader of up to `most` mail addresses, parted by commas."""

    def read(text: str) -> str:
        found = getaddresses([text])
        right = all(_ADDRESS.fullmatch(address) for _, address in found)
        if not text.isprintable() or not right or not 1 <= len(found) <= most:
            wanted = "one mail address" if most == 1 else "mail addresses parted by commas"
            raise ValueError(f"{show(text)}; set {wanted}, such as billing@example.org")
        return text

    return read


def folder(root: Path) -> Callable[[str], Path]:
    """Return a reader of a folder, there or not yet; a relative path is taken from `root`."""

    def read(text: str) -> Path:
        path = root / text
        try:
            blocked = not text or (path.exists() and not path.is_dir())
        except OSError as error:
            raise ValueError(f"{show(text)} cannot be looked at: {error.strerror}") from error
        if blocked:
            raise ValueError(f"{show(text)} is not a folder; set the path of one")
        return path

    return read


def secret(text: str) -> str:
    """Read a secret key of at least 16 characters."""
    if len(text) < _SHORTEST_SECRET:
        raise ValueError(f"{len(text)} characters are too few; set the result of {KEY_RECIPE}")
    return text


def token(text: str) -> str:
    """Read a token that stands in a header: at least 16 visible characters of ASCII."""
    if len(text) < _SHORTEST_SECRET or not re.fullmatch(r"[!-~]+", text):
        raise ValueError(
            f"set at least {_SHORTEST_SECRET} visible characters of ASCII, such as the result of"
            f" {KEY_RECIPE}"
        )
    return text


def logstash_url(text: str) -> str:
    """Read the address of Logstash."""
    example = "tcp://logstash.example.org:5000"
    if split(text, ("tcp",), example).port is None:
        raise ValueError(f"it names no port; set for example {example}")
    return text


def imap_url(text: str) -> str:
    """Read the address of a mailbox; without TLS it must be on this machine."""
    example = "imaps://kuvert:PASSWORD@mail.example.org/INBOX"
    parts = split(text, ("imaps", "imap"), example)
    if not parts.username or not parts.password:
        raise ValueError(f"it names no user and password; set for example {example}")
    if parts.query or parts.fragment:
        raise ValueError(f"? and # mean nothing here; in a password write %3F, %23; {example}")
    if parts.scheme == "imap" and parts.hostname not in LOOPBACK:
        raise ValueError("imap:// would send the password in clear; set imaps://")
    return text


def split(text: str, schemes: tuple[str, ...], example: str, *, host: bool = True) -> SplitResult:
    """Take a URL apart.

    Raises:
        ValueError: it has another scheme, no host where one is needed, or cannot be read.
    """
    if _INVISIBLE.search(text):
        raise ValueError(f"it holds a space or a control character; set for example {example}")
    scheme = text.partition(":")[0] if ":" in text else ""
    if scheme not in schemes:
        # Text without a real scheme in front may begin with anything, even with a password.
        named = f"scheme {show(scheme)} is not known" if _SCHEME.fullmatch(scheme) else "no scheme"
        raise ValueError(f"{named}; set for example {example}")
    if not text[len(scheme) :].startswith("://"):
        raise ValueError(f"after {scheme} must come ://; set for example {example}")
    parts = _parts(text, example)
    if host and not parts.hostname:
        raise ValueError(f"it names no host; set for example {example}")
    return parts


def _parts(text: str, example: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        if parts.port == 0:
            raise ValueError  # noqa: TRY301 - one answer for every port that cannot be
    except ValueError:
        # The text of the error may be a piece of a password with an unescaped slash in it.
        raise ValueError(
            "host or port cannot be read; in a password write / as %2F, @ as %40, # as %23;"
            f" set for example {example}"
        ) from None
    return parts


def public_url(text: str) -> str:
    """Read the address at which people reach this installation, without its last slash."""
    example = "https://invoices.example.org"
    parts = split(text, ("http", "https"), example)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"only scheme, host, port and path belong here; set {example}")
    return text.rstrip("/")


def broker_url(text: str) -> str:
    """Read the address of the broker: RabbitMQ, or the folder in KUVERT_HOME."""
    example = "amqp://kuvert:PASSWORD@localhost:5672/kuvert"
    parts = split(text, ("amqp", "amqps", "filesystem"), example, host=False)
    if parts.scheme == "filesystem":
        if parts.netloc or parts.path:
            raise ValueError("the folder is always in KUVERT_HOME; set filesystem:// alone")
    elif not parts.hostname:
        raise ValueError(f"it names no host; set for example {example}")
    _check_broker_query(parts)
    return text


def _check_broker_query(parts: SplitResult) -> None:
    """See that only files of TLS stand behind ?, and that they can be used."""
    known = tls_files.BROKER if parts.scheme == "amqps" else ()
    if any(name not in known for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        wanted = f"only {', '.join(tls_files.BROKER)} mean something, and only with amqps://"
        raise ValueError(f"behind ? {wanted}")
    tls_files.check(parts.query, tls_files.BROKER)


def database_url(root: Path) -> Callable[[str], str]:
    """Return a reader of a database URL; a relative SQLite path is taken from `root`."""

    def read(text: str) -> str:
        parts = split(text, tuple(_EXAMPLE), " or ".join(_EXAMPLE.values()), host=False)
        return _sqlite(text, root) if parts.scheme == "sqlite" else _server(text, parts)

    return read


def _server(text: str, parts: SplitResult) -> str:
    example = _EXAMPLE[parts.scheme]
    by_socket = re.search(r"(?:^|&)(?:host|unix_socket)=.", parts.query)
    if not parts.hostname and not by_socket:
        raise ValueError(f"it names no host; set for example {example}")
    if not parts.path.strip("/"):
        raise ValueError(f"it names no database; set for example {example}")
    is_mysql = parts.scheme.startswith("mysql")
    tls_files.check(parts.query, tls_files.MYSQL if is_mysql else tls_files.POSTGRESQL)
    return text


def _sqlite(text: str, root: Path) -> str:
    name, mark, query = text.removeprefix("sqlite://").removeprefix("/").partition("?")
    if not text.startswith("sqlite:///") or not name or name.startswith((":memory:", "file:")):
        raise ValueError(
            "it names no file that all processes share;"
            f" set for example {_EXAMPLE['sqlite']} (four slashes)"
        )
    return f"sqlite:///{root / name}{mark}{query}"
