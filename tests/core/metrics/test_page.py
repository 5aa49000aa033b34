"""`/metrics`: who may read it, and what stands there when parts are away."""

import socket
from pathlib import Path
from time import monotonic

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from core import metrics
from core.app import create_app
from core.broker import declare_all
from tests.support.brokers import virtual_host
from tests.support.console import Console
from tests.support.environment import make_settings

TOKEN = "a-token-for-prometheus-0123"


def samples(text: str) -> dict[str, float]:
    """Read the text format; each sample by its name and labels."""
    return {
        " ".join((one.name, *one.labels.values())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


@pytest.mark.every_database
def test_everything_is_said_of_an_empty_desk(client: FlaskClient) -> None:
    answer = client.get("/metrics")

    assert answer.status_code == 200, answer.text
    assert answer.content_type.startswith("text/plain; version=")
    assert answer.headers["Cache-Control"] == "no-store"
    found = samples(answer.text)
    assert (found["kuvert_database_up"], found["kuvert_broker_up"]) == (1, 1)
    assert (found["kuvert_workers alive"], found["kuvert_beat_up"]) == (0, 0)
    assert found["kuvert_invoices ready"] == 0
    assert found["kuvert_queue_messages jobs"] == 0
    assert found["kuvert_queue_oldest_due_seconds jobs"] == 0
    assert abs(found["kuvert_clock_offset_seconds"]) < 5


def test_names_and_labels_are_as_prometheus_wants_them(app: Flask, client: FlaskClient) -> None:
    text = client.get("/metrics").text

    for family in text_string_to_metric_families(text):
        assert family.name.startswith("kuvert_")
        assert family.documentation.endswith("."), family.name
        assert not (family.type == "gauge" and family.name.endswith("_total")), family.name


# Who may read


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        pytest.param("192.0.2.7", {}, id="another machine"),
        pytest.param("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, id="a proxy that says so"),
        pytest.param("127.0.0.1", {"Host": "invoices.example.org"}, id="a proxy that does not"),
    ],
)
def test_only_this_machine_may_read_unless_told_otherwise(
    client: FlaskClient, address: str, headers: dict[str, str]
) -> None:
    answer = client.get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address})

    assert answer.status_code == 401
    assert "KUVERT_METRICS_TOKEN" in answer.get_json()["detail"]
    assert "kuvert_" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000"])
def test_a_program_of_this_machine_may(client: FlaskClient, host: str) -> None:
    assert client.get("/metrics", headers={"Host": host}).status_code == 200


def test_with_a_token_everybody_needs_it(tmp_path: Path) -> None:
    client = create_app(make_settings(tmp_path, METRICS_TOKEN=TOKEN)).test_client()

    def status(authorization: str, address: str = "192.0.2.7") -> int:
        return client.get(
            "/metrics",
            headers={"Authorization": authorization},
            environ_base={"REMOTE_ADDR": address},
        ).status_code

    assert status(f"Bearer {TOKEN}") == 200
    assert status(f"bearer {TOKEN}") == 200
    assert status("", "127.0.0.1") == 401
    assert status(f"Bearer {TOKEN[:-1]}") == 401
    assert status(f"Basic {TOKEN}") == 401
    assert status("Bearer ü") == 401


# What is away


def test_a_database_that_is_away_is_a_number_and_no_error(tmp_path: Path, closed_port: int) -> None:
    url = f"postgresql+psycopg://kuvert:hunter2@127.0.0.1:{closed_port}/x"
    client = create_app(make_settings(tmp_path, DATABASE_URL=url)).test_client()

    answer = client.get("/metrics")

    found = samples(answer.text)
    assert answer.status_code == 200
    assert (found["kuvert_database_up"], found["kuvert_broker_up"]) == (0, 1)
    assert not any(name.startswith("kuvert_invoices") for name in found)


def test_a_part_that_hangs_does_not_hold_the_others(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://kuvert:hunter2@127.0.0.1:{silent.getsockname()[1]}/x"
        client = create_app(make_settings(tmp_path, DATABASE_URL=url)).test_client()
        began = monotonic()

        found = samples(client.get("/metrics").text)

    assert monotonic() - began < 8
    assert (found["kuvert_database_up"], found["kuvert_broker_up"]) == (0, 1)


def test_a_broker_that_is_away_is_a_number(tmp_path: Path, closed_port: int) -> None:
    url = f"amqp://kuvert:hunter2@127.0.0.1:{closed_port}//"
    client = create_app(make_settings(tmp_path, BROKER_URL=url)).test_client()

    assert samples(client.get("/metrics").text)["kuvert_broker_up"] == 0


def test_rabbitmq_says_what_waits(tmp_path: Path) -> None:
    with virtual_host() as url:
        app = create_app(make_settings(tmp_path, BROKER_URL=url))
        celery = app.extensions["celery"]
        with celery.connection_for_write() as connection:
            declare_all(connection, celery.conf.task_queues)
        celery.send_task("tasks.sendInvoice", args=("x",))

        assert samples(app.test_client().get("/metrics").text)["kuvert_queue_messages jobs"] == 1


# What requests leave


def test_requests_are_counted_by_pattern_and_not_by_path(app: Flask, client: FlaskClient) -> None:
    home = app.extensions["kuvert_settings"].home
    metrics.begin(home)
    try:
        for number in range(3):
            client.get(f"/api/v1/invoices/{number}")
        client.get("/no/such/page")
        client.post("/callbacks/nobody", json={})
        text = client.get("/metrics").text
    finally:
        metrics.end()

    found = samples(text)
    name = "kuvert_http_request_duration_seconds_count"
    assert found[f"{name} GET /api/v1/invoices/<invoice_id> 401"] == 3
    assert found[f"{name} GET none 404"] == 1
    assert found[f"{name} POST /callbacks/<provider> 404"] == 1


# By command


def test_the_command_prints_the_same(app: Flask, client: FlaskClient, console: Console) -> None:
    page = samples(client.get("/metrics").text)

    printed = console("metrics")

    assert printed.code == 0
    assert set(page) == set(samples(printed.out))


def test_the_command_can_leave_out_what_all_machines_share(console: Console) -> None:
    printed = console("metrics", "--local")

    found = samples(printed.out)
    assert "kuvert_database_up" not in found
    assert [name for name in found if name.startswith("kuvert_build_info")]
