"""Texts that have broken somebody's log before, in each format."""

import json
import logging
from zoneinfo import ZoneInfo

import pytest

from core.logs import ConsoleFormatter, JsonFormatter
from tests.support.strings import formulas, naughty

FORMS = {"console": ConsoleFormatter(ZoneInfo("UTC")), "json": JsonFormatter("test")}


@pytest.mark.parametrize("form", FORMS)
def test_no_naughty_string_forges_a_line_or_steers_a_terminal(form: str) -> None:
    for text in (*naughty(), *formulas(), "a\r\nb", "\x1b]0;x\x07", "a\x0bb\x0cc\x85d\u2028e"):
        record = {"msg": "got %s", "args": (text,), "name": "n", "levelname": "INFO", "k": text}

        line = FORMS[form].format(logging.makeLogRecord({**record, "deep": {text: [text]}}))

        assert len(line.splitlines()) == 1, text
        assert "\x1b" not in line
        if form == "json":
            fields = json.loads(line)
            assert fields["k"].splitlines() in ([fields["k"]], [])
