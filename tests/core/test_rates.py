"""How many calls a key may make."""

import dataclasses

import pytest
from flask import Flask

from core import rates
from core.errors import TooManyError
from core.rates import Meter
from core.web import settings
from tests.support.factories import SourceWithKey, add_source, client_of


def take(meter: Meter, key: str, count: int, now: float) -> int:
    """Return how many of the calls were let through."""
    done = 0
    for _ in range(count):
        try:
            meter.take(key, 60, now)
        except TooManyError:
            continue
        done += 1
    return done


def test_a_key_has_a_minute_s_worth_and_gets_more_with_time() -> None:
    meter = Meter()

    assert take(meter, "a", 100, 0.0) == 60
    assert take(meter, "a", 100, 10.0) == 10
    assert take(meter, "a", 100, 1000.0) == 60


def test_one_key_takes_nothing_from_another() -> None:
    meter = Meter()
    take(meter, "a", 100, 0.0)

    assert take(meter, "b", 100, 0.0) == 60


def test_no_limit_counts_nothing() -> None:
    meter = Meter()

    for _ in range(1000):
        meter.take("a", 0, 0.0)

    assert meter._left == {}


def test_who_calls_too_often_is_told_when_to_come_back() -> None:
    meter = Meter()
    meter.take("a", 1, 0.0)

    with pytest.raises(TooManyError) as caught:
        meter.take("a", 1, 15.0)

    assert caught.value.headers == {"Retry-After": "45"}


def test_the_api_answers_429_to_one_key_and_serves_the_others(
    app: Flask, source: SourceWithKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "meter", Meter())
    strict = dataclasses.replace(settings(), api_calls_per_minute=3)
    monkeypatch.setitem(app.extensions, "kuvert_settings", strict)
    one, other = client_of(app, source.key), client_of(app, add_source("crm").key)

    answers = [one.get("/api/v1/invoices") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].content_type == "application/problem+json"
    assert answers[-1].get_json()["type"] == "urn:kuvert:problem:too-many-requests"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 20
    assert other.get("/api/v1/invoices").status_code == 200
