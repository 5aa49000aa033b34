import json
import logging
import os
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from core import logs
from core.queues import TaskName
from core.settings import Settings
from tests.support.lines import Receiver

logger = logging.getLogger("kuvert.test")


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings for a test of logging, which is put back as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    environ = {"KUVERT_SECRET_KEY": "k-7Qw9Zx2Lm4Np6Rt8", "KUVERT_LOG_FORMAT": "console"}
    yield Settings.from_environment(environ, root=tmp_path)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def json_settings(settings: Settings) -> Settings:
    return replace(settings, log_format="json")


def fail(text: str) -> None:
    raise ValueError(text)


def written(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


# Console


def test_a_line_has_time_level_logger_message_and_extras(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up(settings)

    logger.info("invoice %s", "sent", extra={"invoice_id": "0197-a", "attempt": 2})

    line = written(capsys)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO    kuvert.test  invoice sent"
        r"  invoice_id=0197-a  attempt=2\n",
        line,
    )


def test_the_time_is_that_of_the_staff(settings: Settings) -> None:
    record = logging.makeLogRecord({"created": 1_790_000_000.5, "levelname": "INFO", "name": "x"})

    line = logs.ConsoleFormatter(ZoneInfo("Asia/Tokyo")).format(record)

    assert line.startswith("2026-09-21 23:13:20 INFO")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two words", '"two words"'),
        ('a"b', '"a\\"b"'),
        ("", '""'),
        ("a=b", '"a=b"'),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        (["a", 1], '["a", 1]'),
        ("Müller", "Müller"),
    ],
)
def test_an_extra_is_quoted_where_needed(
    settings: Settings, capsys: pytest.CaptureFixture[str], value: object, shown: str
) -> None:
    logs.set_up(settings)

    logger.info("x", extra={"k": value})

    assert written(capsys).endswith(f"  k={shown}\n")


@pytest.mark.parametrize(
    "nasty",
    ["a\r\nFORGED", "a\nFORGED", "a\x1b[31mFORGED", "a\u2028FORGED", "a\u202eFORGED", "\x85"],
)
def test_data_cannot_forge_a_line(
    settings: Settings, capsys: pytest.CaptureFixture[str], nasty: str
) -> None:
    logs.set_up(settings)

    logger.info("got %s", nasty, extra={"k": nasty, nasty: [nasty]})

    line = written(capsys)
    assert line.isprintable() is False
    assert line.removesuffix("\n").isprintable()


def test_a_traceback_is_set_in(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(settings)

    try:
        fail("first\n2026-01-01 00:00:00 INFO    FORGED\rx")
    except ValueError:
        logger.exception("it failed")

    first, *rest = written(capsys).rstrip("\n").split("\n")
    assert first.endswith("it failed")
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-1] == "    2026-01-01 00:00:00 INFO    FORGED\\rx"
    assert all(line.startswith("    ") for line in rest)


# JSON


def test_a_record_is_one_object(
    json_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up(json_settings)

    logger.warning("took\nlong", extra={"invoice_id": "ä", "seconds": 1.5, "ids": {1}})

    line = written(capsys)
    assert line.isascii()
    assert line.count("\n") == 1
    fields = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", fields.pop("@timestamp"))
    assert fields == {
        "@version": "1",
        "type": "kuvert",
        "tags": ["development"],
        "host": {"name": socket.gethostname()},
        "pid": os.getpid(),
        "level": "WARNING",
        "logger_name": "kuvert.test",
        "message": "took\\nlong",
        "invoice_id": "ä",
        "seconds": 1.5,
        "ids": [1],
    }


def test_an_exception_is_a_field(
    json_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up(json_settings)

    try:
        fail("why")
    except ValueError:
        logger.exception("it failed", stack_info=True)

    fields = json.loads(written(capsys))
    assert fields["stack_trace"].startswith("Traceback")
    assert fields["stack_trace"].endswith("ValueError: why")
    assert fields["stack"].startswith("Stack")


def test_an_extra_does_not_hide_a_field_of_ours(
    json_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up(json_settings)

    logger.info("x", extra={"level": "high"})

    fields = json.loads(written(capsys))
    assert (fields["level"], fields["level_"]) == ("INFO", "high")


def test_values_are_plain(json_settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(json_settings)
    given = {
        "amount": Decimal("1.50"),
        "id": UUID(int=1),
        "at": datetime(2026, 1, 2, 3, tzinfo=UTC),
        "on": date(2026, 1, 2),
        "wait": timedelta(seconds=90),
        "task": TaskName.SEND_INVOICE,
        "huge": 2**64,
    }

    logger.info("x", extra=given)

    fields = json.loads(written(capsys))
    assert {name: fields[name] for name in given} == {
        "amount": "1.50",
        "id": "00000000-0000-0000-0000-000000000001",
        "at": "2026-01-02T03:00:00Z",
        "on": "2026-01-02",
        "wait": "90 s",
        "task": "tasks.sendInvoice",
        "huge": str(2**64),
    }


@pytest.mark.parametrize(
    ("given", "name"),
    [({"error": "x"}, "error_message"), ({"url": "x"}, "url_"), ({"url": {"path": "x"}}, "url")],
    ids=["error", "text", "object"],
)
def test_a_name_that_elastic_keeps_for_objects_holds_no_text(
    json_settings: Settings, capsys: pytest.CaptureFixture[str], given: dict[str, object], name: str
) -> None:
    logs.set_up(json_settings)

    logger.info("x", extra=given)

    assert name in json.loads(written(capsys))


def test_a_text_of_any_length_is_cut(
    json_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up(json_settings)

    logger.info("x" * 100_000, extra={"k": "y" * 100_000})

    assert len(written(capsys)) < 40_000


@pytest.mark.parametrize("form", ["console", "json"])
def test_arguments_that_do_not_fit_are_said_and_not_shown(
    settings: Settings, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    logs.set_up(replace(settings, log_format=form))

    only_ours()
    logger.info("%d things", "hunter2")

    text = written(capsys)
    assert text.count("\n") == 1
    assert "%d things (its arguments do not fit)" in text
    assert "hunter2" not in text


def only_ours() -> None:
    """Take pytest's own handlers off, which raise, or keep what no report can hold.

    The fixture puts them back.
    """
    root = logging.getLogger()
    root.handlers[:] = [one for one in root.handlers if one.get_name() == "kuvert"]


@pytest.mark.parametrize("nasty", ["a\r\nF", "a\x1b[31mF", "a\u2028F", "\ud800", "a\x00b"])
def test_no_field_holds_what_steers_a_terminal(
    json_settings: Settings, capsys: pytest.CaptureFixture[str], nasty: str
) -> None:
    logs.set_up(json_settings)
    only_ours()

    try:
        fail(nasty)
    except ValueError:
        logger.exception("got %s", nasty, extra={"k": nasty, nasty: {nasty: [nasty]}})

    fields = json.loads(written(capsys))
    trace = fields.pop("stack_trace")
    assert all(line.startswith("    ") for line in trace.split("\n")[1:])
    assert repr(fields) == repr(fields).encode("utf-8").decode()
    for text in (*trace.split("\n"), *_texts(fields)):
        assert text.isprintable(), text


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for pair in value.items() for one in pair for text in _texts(one))
    elif isinstance(value, list):
        yield from (text for one in value for text in _texts(one))
    elif isinstance(value, str):
        yield value


def test_by_itself_a_line_is_for_machines_unless_somebody_looks(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.set_up(replace(settings, log_format="auto"))
    logger.info("x")
    assert written(capsys).startswith("{")

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    logs.set_up(replace(settings, log_format="auto"))
    logger.info("x")

    assert "INFO" in written(capsys)[:30]


def test_lines_go_to_logstash_too_and_an_address_is_kept(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with Receiver() as receiver:
        asked = replace(settings, logstash_url=receiver.url)
        logs.set_up(asked)
        logs.set_up(asked)

        logger.info("once")

        receiver.wait_for("once")
        logs.set_up(settings)
        assert receiver.messages().count("once") == 1
    assert "once" in written(capsys)
    assert logs.counts() is None


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), object(), b"x", {1: {2: ZoneInfo}}])
def test_every_value_has_a_form(
    json_settings: Settings, capsys: pytest.CaptureFixture[str], odd: object
) -> None:
    logs.set_up(json_settings)

    logger.info("x", extra={"k": odd})

    def refuse(name: str) -> None:
        raise AssertionError(name)

    assert "k" in json.loads(written(capsys), parse_constant=refuse)


def test_a_value_that_holds_itself_ends(
    json_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up(json_settings)
    loop: list[object] = []
    loop.append(loop)

    logger.info("x", extra={"k": loop})

    assert json.loads(written(capsys))["message"] == "x"


# Both


@pytest.mark.parametrize("form", ["console", "json"])
def test_secrets_are_masked(
    settings: Settings, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    logs.set_up(replace(settings, log_format=form))

    try:
        fail("amqp://u:hunter2@h")
    except ValueError:
        logger.exception(
            "to %s",
            "amqp://u:hunter2@h",
            extra={
                "api_key": "hunter2",
                "url": "smtp://u:hunter2@h",
                "headers": {"Authorization": "hunter2", "list": [{"token": ["hunter2"]}]},
                "password": None,
                "has_secret": True,
            },
        )

    text = written(capsys)
    assert "hunter2" not in text
    assert "***" in text


@pytest.mark.parametrize("form", ["console", "json"])
def test_the_level_is_that_of_the_settings(
    settings: Settings, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    logs.set_up(replace(settings, log_level="ERROR", log_format=form))

    logger.warning("quiet")
    logger.error("loud")

    assert "quiet" not in (text := written(capsys))
    assert "loud" in text


def test_a_second_call_doubles_nothing(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up(settings)
    logs.set_up(replace(settings, log_format="json"))

    logger.info("once")

    assert json.loads(written(capsys))["message"] == "once"


def test_the_warnings_of_the_settings_are_said_once(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    doubtful = replace(settings, warnings=("KUVERT_X: doubtful thing",))

    logs.set_up(doubtful)
    logs.set_up(doubtful)

    assert written(capsys).count("KUVERT_X: doubtful thing") == 1


def test_handlers_of_others_stay(settings: Settings) -> None:
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)

    logs.set_up(settings)

    assert other in logging.getLogger().handlers


def test_a_line_in_a_plain_locale_is_written(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w", encoding="ascii", errors="backslashreplace") as stream:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logs.JsonFormatter("test"))
        handler.handle(logging.makeLogRecord({"msg": "Müller 🧾"}))

    assert json.loads(path.read_text())["message"] == "Müller 🧾"
