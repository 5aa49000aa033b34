"""The short way in for callbacks answers as Flask's own way does."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from callbacks import inbox, short_way
from tests.callbacks.calling import CALLBACKS, add_provider, call, said, stored
from tests.support import desk

EVENT = "evt-1"


@pytest.fixture
def acme(app: Flask) -> str:
    """A provider that calls back."""
    add_provider("acme")
    return "acme"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the short way has answered itself, by the id that it stored."""
    answered: list[str] = []
    receive = short_way.ShortWay._receive

    def noted(self: short_way.ShortWay, environ: dict[str, Any], code: str) -> inbox.Stored | None:
        found = receive(self, environ, code)
        if found:
            answered.append(str(found.id))
        return found

    monkeypatch.setattr(short_way.ShortWay, "_receive", noted)
    return answered


def shape(answer: TestResponse) -> tuple[object, ...]:
    """What a caller can see of an answer, but for the ids in it."""
    names = sorted(name for name, _ in answer.headers)
    kept = {name: answer.headers[name] for name in ("Content-Type", "Cache-Control")}
    return answer.status, names, kept, answer.headers["X-Content-Type-Options"], len(answer.data)


def test_a_plain_callback_takes_the_short_way(
    client: FlaskClient, acme: str, taken: list[str]
) -> None:
    answer = call(client, acme, said("r-1"))

    assert answer.status_code == 202
    assert taken == [answer.json["id"]]  # type: ignore[index]
    assert str(stored().id) == taken[0]


def test_both_ways_answer_alike(
    app: Flask, client: FlaskClient, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_new = call(client, acme, said("r-1"), event_id=EVENT)
    short_again = call(client, acme, said("r-1"), event_id=EVENT)

    monkeypatch.setattr(app, "wsgi_app", app.wsgi_app.whole_way)  # type: ignore[attr-defined]
    long_new = call(client, acme, said("r-2"))
    long_again = call(client, acme, said("r-1"), event_id=EVENT)

    assert shape(short_new) == shape(long_new)
    assert shape(short_again) == shape(long_again)
    assert short_again.json == long_again.json == short_new.json


def test_both_ways_store_alike(
    app: Flask, client: FlaskClient, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"User-Agent": "Acme/1", "X-Request-ID": "abc"}
    call(client, acme, said("r-1"), headers=headers)
    monkeypatch.setattr(app, "wsgi_app", app.wsgi_app.whole_way)  # type: ignore[attr-defined]
    call(client, acme, said("r-1"), headers=headers)

    short, long = desk.rows(CALLBACKS)
    assert short.headers.keys() == long.headers.keys()
    assert short.headers["user-agent"] == long.headers["user-agent"]
    assert (short.body, short.kind, short.state) == (long.body, long.kind, long.state)


def test_the_request_id_of_the_caller_is_kept(client: FlaskClient, acme: str) -> None:
    answer = call(client, acme, said("r-1"), headers={"X-Request-ID": "abc-1"})

    assert answer.headers["X-Request-ID"] == "abc-1"
    assert stored().headers["x-request-id"] == "abc-1"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"secret": "whsec_" + "b" * 43 + "="}, 401),
        ({"age": 3600}, 401),
        ({"headers": {"Content-Encoding": "gzip"}}, 415),
        ({"body": b"x" * (short_way.LARGEST + 1)}, 413),
    ],
)
def test_what_is_not_plain_goes_the_whole_way(
    client: FlaskClient, acme: str, taken: list[str], change: dict[str, Any], status: int
) -> None:
    answer = call(client, acme, **{"body": said("r-1"), **change})

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert taken == []
    assert desk.rows(CALLBACKS) == []


def test_an_unknown_provider_goes_the_whole_way(client: FlaskClient, app: Flask) -> None:
    answer = call(client, "nobody", said("r-1"))

    assert answer.status_code == 404


def test_only_a_post_is_taken(client: FlaskClient, acme: str, taken: list[str]) -> None:
    answer = client.get(f"/callbacks/{acme}")

    assert answer.status_code == 405
    assert taken == []


def test_a_callback_leaves_one_line(
    client: FlaskClient, acme: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "kuvert.request")

    call(client, acme, said("r-1"))

    [record] = [one for one in caplog.records if one.name == "kuvert.request"]
    shown = vars(record)
    assert (shown["method"], shown["route"], shown["status"]) == ("POST", short_way.ROUTE, 202)
