"""What the log says of invoices on their way, so that one can be followed from API to push."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest
from flask.testing import FlaskClient

from core import log_context
from core.db import unit_of_work
from core.ids import new_id
from status import lines, services
from status.models import Cause, Status
from tests.support.factories import invoice_json

pytestmark = pytest.mark.usefixtures("app")


def change(to: Status, was: Status | None = None) -> services.Change:
    return services.Change(
        invoice_id=new_id(),
        source_id=new_id(),
        number="1",
        external_id=None,
        sequence=1,
        from_status=was,
        to_status=to,
        cause=Cause.DISPATCH,
        delivery_id=new_id(),
    )


def said(changes: Sequence[services.Change], caplog: pytest.LogCaptureFixture) -> list[Any]:
    caplog.set_level(logging.INFO, logger="kuvert.invoices")
    with unit_of_work():
        lines.say(changes)
        assert not caplog.records
    return [vars(record) for record in caplog.records if record.name == "kuvert.invoices"]


def test_a_line_says_where_an_invoice_went(caplog: pytest.LogCaptureFixture) -> None:
    one = change(Status.SENT, Status.SENDING)

    [line] = said([one], caplog)

    assert (line["invoice_id"], line["delivery_id"]) == (str(one.invoice_id), str(one.delivery_id))
    assert (line["invoice_status"], line["cause"], line["count"]) == ("sent", "dispatch", 1)


def test_many_are_one_line_for_a_hundred(caplog: pytest.LogCaptureFixture) -> None:
    many = [change(Status.SENT) for _ in range(250)]

    found = said([*many, change(Status.FAILED)], caplog)

    assert sorted(line["count"] for line in found) == [1, 50, 100, 100]
    ids = [one for line in found[:3] for one in line["invoice_id"]]
    assert ids == [str(one.invoice_id) for one in many]


def test_what_changes_nothing_is_not_said(caplog: pytest.LogCaptureFixture) -> None:
    assert said([change(Status.SENT, Status.SENT)], caplog) == []


def say_and_fail() -> None:
    with unit_of_work():
        lines.say([change(Status.SENT)])
        raise ZeroDivisionError


def test_what_is_rolled_back_is_not_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="kuvert.invoices")

    with pytest.raises(ZeroDivisionError):
        say_and_fail()

    assert not caplog.records


def test_an_invoice_that_comes_in_is_said_inside_its_request(
    api: FlaskClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="kuvert.invoices")
    bound: list[object] = []

    def note(record: logging.LogRecord) -> bool:
        bound.append(log_context.bound())
        return True

    monkeypatch.setattr(lines.logger, "filters", [note])

    answer = api.post("/api/v1/invoices", json=invoice_json(), headers={"X-Request-ID": "r-1"})

    [line] = [vars(one) for one in caplog.records if one.name == "kuvert.invoices"]
    assert line["invoice_id"] == answer.get_json()["id"]
    assert line["delivery_id"] == answer.get_json()["delivery_id"]
    assert line["invoice_status"] == "ready"
    assert bound == [{"request_id": "r-1"}]
