"""The settings: read once from KUVERT_… variables, checked together, then frozen.

Where a name is set more than once, the environment wins over the `.env` file beside
manage.py. Every name can also be given as NAME_FILE, the path of a file that holds the value.
All that is wrong is said at once, one line for each, and never shows a password.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from core import envfile, mail_server, secret_key, setting_values
from core.errors import SettingsError

PREFIX = "KUVERT_"
_ROOT = Path(__file__).resolve().parents[1]
ENV_FILE = _ROOT / ".env"
"""The file beside manage.py."""

NAMES = (
    "KUVERT_HOME",
    "KUVERT_DATABASE_URL",
    "KUVERT_BROKER_URL",
    "KUVERT_QUEUE_TYPE",
    "KUVERT_SECRET_KEY",
    "KUVERT_PUBLIC_URL",
    "KUVERT_TIMEZONE",
    "KUVERT_LOG_LEVEL",
    "KUVERT_LOG_FORMAT",
    "KUVERT_LOGSTASH_URL",
    "KUVERT_SMTP_URL",
    "KUVERT_IMAP_URL",
    "KUVERT_MAIL_FROM",
    "KUVERT_REPORT_TO",
    "KUVERT_LEASE_SECONDS",
    "KUVERT_WATCH_SECONDS",
    "KUVERT_DISPATCH_WINDOW",
    "KUVERT_ENVIRONMENT",
    "KUVERT_ALLOW_PRIVATE_TARGETS",
    "KUVERT_PROXIES",
    "KUVERT_PASSWORD_MEMORY_MIB",
    "KUVERT_API_CALLS_PER_MINUTE",
    "KUVERT_METRICS_TOKEN",
    "KUVERT_KEEP_DOCUMENTS",
    "KUVERT_KEEP_CALLBACK_BODIES",
    "KUVERT_KEEP_MAILS",
    "KUVERT_KEEP_EVENTS",
    "KUVERT_KEEP_ATTEMPTS",
    "KUVERT_KEEP_AUDIT",
)
# These belong to the tests; Kuvert itself does not look at them.
_TEST_NAMES = frozenset({"KUVERT_TEST_REQUIRE", "KUVERT_SHARED_DATA"})
# Kubernetes sets these in every pod of a namespace that has a service named kuvert….
_KUBERNETES = re.compile(
    r"KUVERT(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)"
)
# A setting without a default of its own may be left empty, as compose files do.
_OPTIONAL = frozenset(
    f"{PREFIX}{name}"
    for name in ("LOGSTASH_URL", "SMTP_URL", "IMAP_URL", "MAIL_FROM", "REPORT_TO", "METRICS_TOKEN")
) | {name for name in NAMES if name.startswith(f"{PREFIX}KEEP_")}
_FORMATS = ("auto", "console", "json")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LONGEST_FILE = 65_536
FEWEST_DAYS, MOST_DAYS = 30, 36_500
"""How long something is kept at least: nothing that is under way, or just was, may go."""

_SHORTEST_PRODUCTION_KEY = 32
_FEWEST_DIFFERENT = 8
_WEAK_WORDS = re.compile(
    r"change.?(me|this)|secret.?key|password|passwort|example|insecure|default|django|flask",
    re.IGNORECASE,
)
Value = TypeVar("Value")
Default = TypeVar("Default")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, typed; what may hold a secret is left out of `repr`.

    `database_url` of an SQLite file holds an absolute path; `broker_url` is `filesystem://`
    when the queue is a folder in `home`; `warnings` are lines that the operator should see.
    What begins with `keep_` is a number of days; None: for ever.
    """

    home: Path
    database_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    queue_type: str
    secret_key: str = field(repr=False)
    public_url: str
    timezone: ZoneInfo
    log_level: str
    log_format: str
    logstash_url: str | None = field(repr=False)
    smtp_url: str | None = field(repr=False)
    imap_url: str | None = field(repr=False)
    mail_from: str | None
    report_to: str | None
    lease_seconds: int
    watch_seconds: float
    dispatch_window: int
    api_calls_per_minute: int
    environment: str
    allow_private_targets: bool
    proxies: int
    password_memory_mib: int
    metrics_token: str | None = field(repr=False)
    keep_documents: int | None = None
    keep_callback_bodies: int | None = None
    keep_mails: int | None = None
    keep_events: int | None = None
    keep_attempts: int | None = None
    keep_audit: int | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], *, root: Path) -> "Settings":
        """Read the settings from `environ` and from `.env` in `root`, the folder of manage.py.

        With SQLite and no KUVERT_SECRET_KEY, a key is made once and kept in `home`.

        Raises:
            SettingsError: with one line for each thing that is wrong.
            KuvertError: the generated key cannot be kept in or read from `home`.
        """
        reader = _Reader(environ, root.absolute())
        settings = _read(reader)
        _check(settings, reader)
        if reader.problems:
            raise SettingsError(reader.problems.values())
        if settings.secret_key:
            return settings
        return replace(settings, secret_key=secret_key.read_or_make(settings.home))

    @property
    def is_production(self) -> bool:
        """Tell whether the protections of a real installation apply."""
        return self.environment == "production"

    @property
    def is_https(self) -> bool:
        """Tell whether people reach us encrypted, whatever a proxy makes of it on the way."""
        return self.public_url.startswith("https:")

    @property
    def desk_url(self) -> str:
        """Return where the pages of staff are: at the root of the public host."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_sqlite(self) -> bool:
        """Tell whether the database is a file on this machine."""
        return self.database_url.startswith("sqlite:")


@cache
def current() -> Settings:
    """Return the settings of this process, read at the first call.

    Raises:
        SettingsError: with one line for each thing that is wrong.
        KuvertError: the generated key cannot be kept in or read from the home folder.
    """
    return Settings.from_environment(os.environ, root=_ROOT)


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a child process: that of this process and `extra`."""
    return {**os.environ, **extra}


def notify_address() -> str | None:
    """Return where systemd listens for words of this process (sd_notify(3)); None without it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    # `@` stands for the zero byte of an abstract address.
    return (f"\0{address[1:]}" if address.startswith("@") else address) or None


def is_given_sockets() -> bool:
    """Tell whether systemd has handed this process sockets that listen (sd_listen_fds(3))."""
    return os.environ.get("LISTEN_PID") == str(os.getpid()) and "LISTEN_FDS" in os.environ


class _Reader:
    """Gives settings their values and collects what is wrong, by name."""

    def __init__(self, environ: Mapping[str, str], root: Path) -> None:
        self.root = root
        self.problems: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        layers = [_ours(environ), self._env_file()]
        for name in sorted({*layers[0], *layers[1]}):
            self._refuse_unknown(name)
        for name in NAMES:
            layer = next((one for one in layers if name in one or f"{name}_FILE" in one), {})
            self._take(name, layer)

    def get(self, name: str, read: Callable[[str], Value], default: Default) -> Value | Default:
        """Return the value of `name`; the default when it is not set or wrong."""
        text = self.texts.get(name)
        if text is None or (not text and name in _OPTIONAL):
            return default
        try:
            return read(text)
        except ValueError as error:
            self.fail(name, str(error))
            return default

    def fail(self, name: str, phrase: str) -> None:
        """Note what is wrong with `name`; the first thing said about it stands."""
        self.problems.setdefault(name, f"{name}: {phrase}")

    def _env_file(self) -> dict[str, str]:
        path = self.root / ENV_FILE.name
        try:
            return _ours(envfile.read(path))
        except envfile.EnvFileError as error:
            self.fail(str(path), str(error))
        except OSError as error:
            self.fail(str(path), f"cannot be read: {error.strerror}")
        return {}

    def _refuse_unknown(self, name: str) -> None:
        plain = name.removesuffix("_FILE")
        if plain not in NAMES and name not in _TEST_NAMES and not _KUBERNETES.fullmatch(name):
            hint = setting_values.closest(name, [*NAMES, *(f"{one}_FILE" for one in NAMES)])
            self.fail(name, f"no such setting{hint or '; take it away'}")

    def _take(self, name: str, layer: Mapping[str, str]) -> None:
        file_name = f"{name}_FILE"
        if name in layer and file_name in layer:
            self.fail(name, f"{file_name} is set too; set only one of them")
        elif name in layer:
            self.texts[name] = layer[name].strip()
        elif file_name in layer:
            self._take_file(name, layer[file_name])

    def _take_file(self, name: str, place: str) -> None:
        shown = setting_values.show(place)
        try:
            with (self.root / place).open("rb") as file:
                raw = file.read(_LONGEST_FILE + 1)
            if len(raw) > _LONGEST_FILE:
                self.fail(name, f"the file {shown} holds more than {_LONGEST_FILE} bytes")
            else:
                self.texts[name] = raw.decode().strip()
        except OSError as error:
            self.fail(name, f"cannot read {shown} (from {name}_FILE): {error.strerror}")
        except ValueError:
            self.fail(name, f"the file {shown} is not UTF-8 text, or its name cannot be")


def _ours(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in environ.items() if name.startswith(PREFIX)}


def _read(reader: _Reader) -> Settings:
    """Read every setting; wrong ones get their default, and a line in `reader.problems`."""
    values = setting_values
    home = reader.get("KUVERT_HOME", values.folder(reader.root), reader.root / "var")
    settings = Settings(
        home=home,
        database_url=reader.get(
            "KUVERT_DATABASE_URL",
            values.database_url(reader.root),
            f"sqlite:///{home / 'kuvert.db'}",
        ),
        broker_url=reader.get("KUVERT_BROKER_URL", values.broker_url, "filesystem://"),
        queue_type=reader.get("KUVERT_QUEUE_TYPE", values.choice("classic", "quorum"), "classic"),
        secret_key=reader.get("KUVERT_SECRET_KEY", values.secret, ""),
        public_url=reader.get("KUVERT_PUBLIC_URL", values.public_url, "http://127.0.0.1:8000"),
        timezone=reader.get("KUVERT_TIMEZONE", values.zone, ZoneInfo("UTC")),
        log_level=reader.get("KUVERT_LOG_LEVEL", values.choice(*_LEVELS), "INFO"),
        log_format=reader.get(
            "KUVERT_LOG_FORMAT", values.choice("auto", "console", "json"), "auto"
        ),
        logstash_url=reader.get("KUVERT_LOGSTASH_URL", values.logstash_url, None),
        smtp_url=reader.get("KUVERT_SMTP_URL", mail_server.read_setting, None),
        imap_url=reader.get("KUVERT_IMAP_URL", values.imap_url, None),
        mail_from=reader.get("KUVERT_MAIL_FROM", values.addresses(1), None),
        report_to=reader.get("KUVERT_REPORT_TO", values.addresses(50), None),
        lease_seconds=reader.get("KUVERT_LEASE_SECONDS", values.integer(1, 86_400), 300),
        watch_seconds=reader.get("KUVERT_WATCH_SECONDS", values.seconds(0.1, 3_600), 1.0),
        dispatch_window=reader.get("KUVERT_DISPATCH_WINDOW", values.integer(1, 10_000_000), 10_000),
        api_calls_per_minute=reader.get(
            "KUVERT_API_CALLS_PER_MINUTE", values.integer(0, 10_000_000), 60_000
        ),
        environment=reader.get("KUVERT_ENVIRONMENT", values.label, "development"),
        allow_private_targets=reader.get("KUVERT_ALLOW_PRIVATE_TARGETS", values.flag, False),
        proxies=reader.get("KUVERT_PROXIES", values.integer(0, 10), 0),
        metrics_token=reader.get("KUVERT_METRICS_TOKEN", values.token, None),
        password_memory_mib=reader.get("KUVERT_PASSWORD_MEMORY_MIB", values.integer(19, 64), 19),
        keep_documents=_days(reader, "DOCUMENTS"),
        keep_callback_bodies=_days(reader, "CALLBACK_BODIES"),
        keep_mails=_days(reader, "MAILS"),
        keep_events=_days(reader, "EVENTS"),
        keep_attempts=_days(reader, "ATTEMPTS"),
        keep_audit=_days(reader, "AUDIT"),
    )
    return replace(settings, warnings=tuple(_warnings(settings)))


def _days(reader: _Reader, kind: str) -> int | None:
    """Read how many days something is kept; None: for ever."""
    days = setting_values.integer(FEWEST_DAYS, MOST_DAYS)
    return reader.get(f"{PREFIX}KEEP_{kind}", days, None)


def _check(settings: Settings, reader: _Reader) -> None:
    """Refuse what is wrong only together with other settings."""
    database = reader.texts.get("KUVERT_DATABASE_URL") or "sqlite"
    if not settings.secret_key and not database.startswith("sqlite"):
        reader.fail(
            "KUVERT_SECRET_KEY",
            f"needed with this database; set the result of {setting_values.KEY_RECIPE}",
        )
    if settings.is_production:
        _refuse_dangers(settings, reader)


def _refuse_dangers(settings: Settings, reader: _Reader) -> None:
    key = settings.secret_key
    if key and is_weak(key):
        reader.fail(
            "KUVERT_SECRET_KEY",
            f"too weak for production; set the result of {setting_values.KEY_RECIPE}",
        )
    if settings.allow_private_targets:
        reader.fail("KUVERT_ALLOW_PRIVATE_TARGETS", "on in production; set off")
    if settings.public_url.startswith("http:"):
        reader.fail("KUVERT_PUBLIC_URL", "http in production; set an address with https://")
    if _is_remote_guest(urlsplit(settings.broker_url)):
        reader.fail(
            "KUVERT_BROKER_URL",
            "the password guest on another host; set a user and password of your own",
        )


def is_weak(key: str) -> bool:
    """Tell whether a secret key could be guessed; production takes none that could."""
    short = len(key) < _SHORTEST_PRODUCTION_KEY
    return short or len(set(key)) < _FEWEST_DIFFERENT or bool(_WEAK_WORDS.search(key))


def _is_remote(broker: SplitResult) -> bool:
    return broker.hostname is not None and broker.hostname not in setting_values.LOOPBACK


def _is_remote_guest(broker: SplitResult) -> bool:
    return _is_remote(broker) and broker.password == "guest"  # noqa: S105 - what is refused


def _warnings(settings: Settings) -> Iterator[str]:
    broker = urlsplit(settings.broker_url)
    if settings.is_production and settings.is_sqlite:
        yield "KUVERT_DATABASE_URL: SQLite in production serves one machine; back its file up"
    if settings.is_https and not settings.proxies:
        yield (
            "KUVERT_PROXIES: 0, but https is some proxy's work; set 1, or all failed logins"
            " are counted as from one address"
        )
    if settings.is_sqlite and _is_remote(broker):
        yield (
            "KUVERT_BROKER_URL: the broker is on another host, but workers there cannot"
            " see the SQLite file of this one"
        )
    if broker.hostname and not broker.password:
        yield "KUVERT_BROKER_URL: no password; right only where certificates log in"
    if _is_remote_guest(broker) and not settings.is_production:
        yield "KUVERT_BROKER_URL: the password guest on another host; production refuses it"
