from pathlib import Path

import pytest

from core import settings
from core.settings import Settings
from tests.support.loading import KEY, POSTGRESQL, load, problem, problems

# Defaults


def test_without_any_setting_all_lives_in_one_folder(tmp_path: Path) -> None:
    result = load(tmp_path)

    assert result.home == tmp_path / "var"
    assert result.database_url == f"sqlite:///{tmp_path}/var/kuvert.db"
    assert result.broker_url == "filesystem://"
    assert result.public_url == "http://127.0.0.1:8000"
    assert result.is_sqlite
    assert not result.is_production
    assert result.warnings == ()


def test_numbers_and_labels_have_their_defaults(tmp_path: Path) -> None:
    result = load(tmp_path)

    assert (result.lease_seconds, result.watch_seconds, result.dispatch_window) == (300, 1, 10_000)
    assert (result.queue_type, result.environment) == ("classic", "development")
    assert (result.log_level, result.log_format) == ("INFO", "auto")
    assert result.timezone.key == "UTC"
    assert result.allow_private_targets is False


def test_what_has_no_default_is_none(tmp_path: Path) -> None:
    result = load(tmp_path, SMTP_URL="")

    assert result.logstash_url is None
    assert result.smtp_url is None
    assert result.imap_url is None
    assert result.mail_from is None
    assert result.report_to is None


def test_every_setting_of_the_class_has_a_name(tmp_path: Path) -> None:
    fields = {f"KUVERT_{name.upper()}" for name in Settings.__dataclass_fields__}

    assert fields - {"KUVERT_WARNINGS"} == set(settings.NAMES)


# Values


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("LOG_FORMAT", "JSON", "json"),
        ("QUEUE_TYPE", "quorum", "quorum"),
        ("LEASE_SECONDS", "4", 4),
        ("WATCH_SECONDS", "0.1", 0.1),
        ("WATCH_SECONDS", "2", 2.0),
        ("ALLOW_PRIVATE_TARGETS", "Yes", True),
        ("ALLOW_PRIVATE_TARGETS", "0", False),
        ("PUBLIC_URL", "https://example.org/kuvert/", "https://example.org/kuvert"),
        ("ENVIRONMENT", "Staging 2", "Staging 2"),
        ("LOGSTASH_URL", "tcp://logs:5000", "tcp://logs:5000"),
        ("SMTP_URL", "smtps://u:p@mail", "smtps://u:p@mail"),
        ("IMAP_URL", "imaps://u:p@mail/INBOX", "imaps://u:p@mail/INBOX"),
        ("IMAP_URL", "imap://u:p@127.0.0.1:1143", "imap://u:p@127.0.0.1:1143"),
        ("MAIL_FROM", "Kuvert <k@example.org>", "Kuvert <k@example.org>"),
        ("REPORT_TO", "a@example.org, b@example.org", "a@example.org, b@example.org"),
        ("BROKER_URL", "amqps://u:p@[::1]:5671//", "amqps://u:p@[::1]:5671//"),
        ("DATABASE_URL", "sqlite:////srv/k.db?timeout=5", "sqlite:////srv/k.db?timeout=5"),
    ],
)
def test_a_value_is_read(tmp_path: Path, name: str, text: str, value: object) -> None:
    assert getattr(load(tmp_path, **{name: text}), name.lower()) == value


def test_a_zone_is_a_zone(tmp_path: Path) -> None:
    assert load(tmp_path, TIMEZONE="Europe/Berlin").timezone.key == "Europe/Berlin"


def test_relative_paths_are_taken_from_the_root(tmp_path: Path) -> None:
    result = load(tmp_path, HOME="data", DATABASE_URL="sqlite:///data/own.db")

    assert result.home == tmp_path / "data"
    assert result.database_url == f"sqlite:///{tmp_path}/data/own.db"


def test_the_database_of_another_home_lies_in_it(tmp_path: Path) -> None:
    result = load(tmp_path, HOME=str(tmp_path / "elsewhere"))

    assert result.database_url == f"sqlite:///{tmp_path}/elsewhere/kuvert.db"


@pytest.mark.parametrize(
    "url",
    [
        POSTGRESQL,
        "postgresql+psycopg:///kuvert?host=/run/postgresql",
        "mysql+pymysql://kuvert@localhost:3306/kuvert?charset=utf8mb4",
    ],
)
def test_a_server_database_is_taken_as_written(tmp_path: Path, url: str) -> None:
    result = load(tmp_path, DATABASE_URL=url, SECRET_KEY=KEY)

    assert result.database_url == url
    assert not result.is_sqlite


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("TIMEZONE", "Europe/Nowhere", "no time zone 'Europe/Nowhere'; set an IANA name"),
        ("TIMEZONE", "Europe/Berln", "did you mean Europe/Berlin?"),
        ("TIMEZONE", "../../etc/passwd", "no time zone"),
        ("TIMEZONE", "Europe", "no time zone"),
        ("TIMEZONE", "", "no time zone ''"),
        ("LOG_LEVEL", "loud", "'loud' is not known; set one of DEBUG, INFO"),
        ("QUEUE_TYPE", "stream", "set one of classic, quorum"),
        ("LEASE_SECONDS", "many", "'many'; set a whole number from 1 to 86400"),
        ("LEASE_SECONDS", "-1", "'-1'"),
        ("LEASE_SECONDS", "0", "'0'"),
        ("LEASE_SECONDS", "1_0", "'1_0'"),
        ("LEASE_SECONDS", "٣", "set a whole number"),
        ("LEASE_SECONDS", "9" * 5000, "set a whole number"),
        ("WATCH_SECONDS", "0.05", "from 0.1 to 3600"),
        ("WATCH_SECONDS", "nan", "'nan'"),
        ("WATCH_SECONDS", "1e3", "'1e3'"),
        ("DISPATCH_WINDOW", "1.5", "'1.5'"),
        ("ALLOW_PRIVATE_TARGETS", "maybe", "'maybe'; set on or off"),
        ("ENVIRONMENT", "prod", "set production"),
        ("ENVIRONMENT", "a\nb", "visible characters"),
        ("PUBLIC_URL", "invoices.example.org", "no scheme"),
        ("PUBLIC_URL", "https://u:hunter2@example.org", "only scheme, host, port and path"),
        ("PUBLIC_URL", "https://", "names no host"),
        ("LOGSTASH_URL", "tcp://logs", "names no port"),
        ("LOGSTASH_URL", "udp://logs:5000", "scheme 'udp' is not known"),
        ("SMTP_URL", "mail.example.org:25", "no scheme"),
        ("IMAP_URL", "imaps://u:hunter2@mail:99999", "host or port"),
        ("IMAP_URL", "imaps://mail.example.org", "no user and password"),
        ("IMAP_URL", "imaps://u@mail.example.org", "no user and password"),
        ("IMAP_URL", "imaps://u:hunter2#x@mail.example.org", "set for example imaps://"),
        ("IMAP_URL", "imaps://u:hunter2@mail/INBOX?x=1", "mean nothing here"),
        ("IMAP_URL", "imaps://u:hunter2@mail\x00.example.org", "a space or a control character"),
        ("IMAP_URL", "imap://u:hunter2@mail.example.org", "would send the password in clear"),
        ("IMAP_URL", "imap://u:hunter2@127.0.0.1.example.org", "would send the password in clear"),
        ("MAIL_FROM", "nobody", "set one mail address"),
        ("MAIL_FROM", "a@example.org, b@example.org", "set one mail address"),
        ("REPORT_TO", "a@example.org, b", "parted by commas"),
        ("REPORT_TO", "a@example.org\nBcc: b@example.org", "parted by commas"),
        ("BROKER_URL", "redis://u:hunter2@host", "scheme 'redis' is not known"),
        ("BROKER_URL", "amqp://", "names no host"),
        ("BROKER_URL", "filesystem:///srv/queue", "always in KUVERT_HOME"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, name: str, text: str, part: str) -> None:
    """G09, G13."""
    line = problem(tmp_path, **{name: text})

    assert line.startswith(f"KUVERT_{name}: ")
    assert part in line


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("", "no scheme"),
        ("postgres:/x", "scheme 'postgres' is not known"),
        ("postgresql://u:hunter2@h/db", "scheme 'postgresql' is not known"),
        ("oracle://u:hunter2@h/db", "scheme 'oracle' is not known"),
        ("postgresql+psycopg:/hunter2", "must come ://"),
        ("postgresql+psycopg://u:hunter2@/db", "names no host"),
        ("postgresql+psycopg://u:hunter2@h", "names no database"),
        ("postgresql+psycopg://u:hunter2/x@h/db", "host or port cannot be read"),
        ("postgresql+psycopg://u:hunter2@h:0/db", "host or port cannot be read"),
        ("postgresql+psycopg://u:hunter2@[h/db", "host or port cannot be read"),
        ("postgresql+psycopg://u:hunter2 @h/db", "a space or a control character"),
        ("u:hunter2@h/db", "no scheme"),
        ("hunter2@h:5432/db", "no scheme"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://kuvert.db", "names no file"),
    ],
)
def test_a_wrong_database_url_is_answered_with_an_example(
    tmp_path: Path, url: str, part: str
) -> None:
    """G01."""
    line = problem(tmp_path, DATABASE_URL=url, SECRET_KEY=KEY)

    assert line.startswith("KUVERT_DATABASE_URL: ")
    assert part in line
    assert "set for example" in line


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()

    assert "is not a folder" in problem(tmp_path, HOME="plain")
    assert "is not a folder" in problem(tmp_path, HOME="")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    lines = problems(tmp_path, TIMEZONE="x", LEASE_SECONDS="x", TIMEZON="UTC", LOG_LEVEL="x")

    assert [line.partition(":")[0] for line in lines] == [
        "KUVERT_TIMEZON",
        "KUVERT_TIMEZONE",
        "KUVERT_LOG_LEVEL",
        "KUVERT_LEASE_SECONDS",
    ]


# Names


def test_an_unknown_name_stops_the_start(tmp_path: Path) -> None:
    """G12."""
    line = problem(tmp_path, DATABSE_URL="hunter2")

    assert line == "KUVERT_DATABSE_URL: no such setting; did you mean KUVERT_DATABASE_URL?"


def test_an_unknown_file_name_stops_the_start(tmp_path: Path) -> None:
    assert "KUVERT_SECRET_KEY_FILE?" in problem(tmp_path, SECRETKEY_FILE="x")


def test_a_name_like_no_other_is_to_be_taken_away(tmp_path: Path) -> None:
    assert problem(tmp_path, XYZ="1") == "KUVERT_XYZ: no such setting; take it away"


@pytest.mark.parametrize(
    "name",
    [
        "TEST_REQUIRE",
        "SHARED_DATA",
        "SERVICE_HOST",
        "WEB_SERVICE_PORT_HTTP",
        "PORT",
        "PORT_8000_TCP_ADDR",
    ],
)
def test_names_of_the_tests_and_of_kubernetes_are_let_be(tmp_path: Path, name: str) -> None:
    assert load(tmp_path, **{name: "all"}).environment == "development"


def test_names_of_others_are_let_be(tmp_path: Path) -> None:
    environ = {"PATH": "/bin", "kuvert_home": "x", "XKUVERT_HOME": "x"}

    assert Settings.from_environment(environ, root=tmp_path).home == tmp_path / "var"


# Files


def test_a_value_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")

    assert load(tmp_path, SECRET_KEY_FILE=str(tmp_path / "key")).secret_key == KEY


def test_a_name_and_its_file_together_are_refused(tmp_path: Path) -> None:
    line = problem(tmp_path, SECRET_KEY=KEY, SECRET_KEY_FILE="key")

    assert line.startswith("KUVERT_SECRET_KEY: KUVERT_SECRET_KEY_FILE is set too")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    line = problem(tmp_path, SECRET_KEY_FILE="/nowhere/key")

    assert line.startswith("KUVERT_SECRET_KEY: cannot read '/nowhere/key'")
    assert "No such file" in line


@pytest.mark.parametrize("content", [b"hunter2\xff", b"hunter2" * 10_000])
def test_a_file_that_is_no_short_text_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)

    assert "the file" in problem(tmp_path, SECRET_KEY_FILE="key")


def test_the_env_file_beside_manage_py_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KUVERT_LOG_LEVEL=debug\nOTHER=1\nKUVERT_TIMEZONE='UTC'\n")

    assert load(tmp_path).log_level == "DEBUG"


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KUVERT_LOG_LEVEL=debug\nKUVERT_SECRET_KEY_FILE=nowhere\n")

    result = load(tmp_path, LOG_LEVEL="error", SECRET_KEY=KEY)

    assert (result.log_level, result.secret_key) == ("ERROR", KEY)


def test_unknown_names_in_the_env_file_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KUVERT_LOGLEVEL=debug\n")

    assert "did you mean KUVERT_LOG_LEVEL?" in problem(tmp_path)


def test_a_bad_env_file_is_answered_with_the_line(tmp_path: Path) -> None:
    """G14."""
    (tmp_path / ".env").write_text("KUVERT_LOG_LEVEL=debug\nhunter2\n")

    assert problem(tmp_path) == f"{tmp_path}/.env: line 2, column 1: not NAME=value"


def test_an_env_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """G14."""
    (tmp_path / ".env").mkdir()

    assert problem(tmp_path) == f"{tmp_path}/.env: cannot be read: Is a directory"
