"""What every line of a request, a task or a block carries."""

import json
import logging
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from core import log_context
from core.logs import ConsoleFormatter, JsonFormatter

RECORD = {"msg": "x", "name": "n", "levelname": "INFO"}


def line(**extra: object) -> dict[str, object]:
    record = logging.makeLogRecord({**RECORD, **extra})
    event: dict[str, object] = json.loads(JsonFormatter("test").format(record))
    return event


def test_what_is_bound_is_in_every_line_of_the_block() -> None:
    with log_context.bind(invoice_id="i"), log_context.bind(delivery_id="d"):
        inside = line()
        text = ConsoleFormatter(ZoneInfo("UTC")).format(logging.makeLogRecord(RECORD))

    assert (inside["invoice_id"], inside["delivery_id"]) == ("i", "d")
    assert text.endswith("x  invoice_id=i  delivery_id=d")
    assert "invoice_id" not in line()


def test_a_line_may_know_better() -> None:
    with log_context.bind(invoice_id="i"):
        assert line(invoice_id="other")["invoice_id"] == "other"


def test_lines_of_a_request_carry_its_id_and_nothing_is_left(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, object]] = []

    def look(*_: object) -> dict[str, str | None]:
        seen.append(dict(log_context.bound()))
        return {}

    monkeypatch.setattr("core.health.run", look)
    environ = EnvironBuilder("/readyz", headers=[("X-Request-ID", "a-1")]).get_environ()

    run_wsgi_app(app.wsgi_app, environ, buffered=True)

    assert seen == [{"request_id": "a-1"}]
    assert dict(log_context.bound()) == {}
