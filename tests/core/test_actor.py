"""Who acts is known wherever something is changed."""

from typing import Any

import pytest
from celery.utils.threads import LocalStack
from flask import Flask
from flask.testing import FlaskClient

from core import actor
from core.schedules.scheduler import DatabaseScheduler
from core.staff import command_line_user
from status.models import Subscription
from tests.core.audit.entries import add_sources, entries
from tests.support import desk
from tests.support.console import Console
from tests.support.factories import SourceWithKey

HOOK = {"url": "http://127.0.0.1:9/hook"}


def _prefix(key: str) -> str:
    return key.split("_")[2]


def test_a_request_acts_as_its_source(api: FlaskClient, api_key: str) -> None:
    done = api.post("/api/v1/subscriptions", json=HOOK, headers={"X-Request-ID": "abc-1"})

    assert done.status_code == 201, done.text
    [entry] = entries(kind="subscriptions")
    assert (entry.actor, entry.request_id) == (f"source erp, key {_prefix(api_key)}", "abc-1")


def test_nobody_is_taken_for_who_asked_before(app: Flask, source: SourceWithKey) -> None:
    """Threads of a server serve one request after another."""
    client = FlaskClient(app, app.response_class)
    client.get("/api/v1/invoices", headers=source.headers)
    assert actor.current() == f"source erp, key {_prefix(source.key)}"

    client.get("/healthz")

    assert actor.current() == actor.NOBODY_YET
    actor._who.set(None)


def test_a_command_acts_as_who_typed_it(console: Console) -> None:
    add_sources("erp")

    assert console("source", "disable", "erp").code == 0

    [entry] = entries(actor=command_line_user())[-1:]
    assert (entry.label, entry.after) == ("erp", {"is_disabled": True})


def test_a_task_acts_under_its_name(app: Flask) -> None:
    base: Any = app.extensions["celery"].Task
    probe = type("Probe", (base,), {"name": "tasks.probe", "run": lambda _: actor.current()})()
    probe.request_stack = LocalStack()

    assert probe() == "task tasks.probe"
    assert actor.current() == command_line_user()


def test_beat_acts_as_beat(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def turn(_: DatabaseScheduler) -> float:
        seen.append(actor.current())
        return 1.0

    monkeypatch.setattr(DatabaseScheduler, "_turn", turn)
    scheduler = DatabaseScheduler(app.extensions["celery"])

    assert scheduler.tick() == 1.0
    assert seen == ["beat"]


def test_a_reason_lasts_as_long_as_its_block() -> None:
    with actor.acting("ann@example.com", "clean-up"):
        with actor.because("a typing error"):
            assert (actor.current(), actor.reason()) == ("ann@example.com", "a typing error")
        with actor.because(None):
            assert actor.reason() == "clean-up"

    assert actor.reason() is None


def test_a_person_keeps_the_id_of_the_request(app: Flask) -> None:
    with actor.acting("nobody"):
        actor.begin_request("abc-2")
        actor.act_as("ann@example.com", "asked for")

        assert actor.current() == "ann@example.com"
        assert (actor.reason(), actor.request_id()) == ("asked for", "abc-2")


def test_long_words_fit_the_history(app: Flask) -> None:
    with actor.acting("a" * 300, "r" * 900):
        assert (len(actor.current()), len(actor.reason() or "")) == (200, 500)


def test_the_reason_of_a_pause_is_in_the_audit(console: Console, source: SourceWithKey) -> None:
    assert console("provider", "pause", "sandbox", "--reason", "maintenance").code == 0
    assert console("schedule", "pause", "get-due-statuses", "--reason", "too busy").code == 0

    provider, schedule = entries()[-2:]
    assert (provider.kind, provider.label, provider.reason) == (
        "providers",
        "sandbox",
        "maintenance",
    )
    assert (schedule.kind, schedule.reason) == ("schedules", "too busy")
    assert schedule.after["pause_reason"] == "too busy"


def test_what_the_desk_does_by_itself_leaves_no_entry(source: SourceWithKey) -> None:
    before = len(entries())

    desk.change(desk.PROVIDERS, failures=3, alarm="401", pace=4, closed_until=None)
    desk.change(Subscription.__table__, failures=3, pace=2)

    assert len(entries()) == before
