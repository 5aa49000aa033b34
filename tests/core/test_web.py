"""What holds for every request."""

import logging
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from core.app import create_app
from tests.support.environment import make_settings
from tests.support.factories import SourceWithKey


@pytest.fixture(scope="module")
def production(home: Path) -> FlaskClient:
    settings = make_settings(
        home, ENVIRONMENT="staging", PUBLIC_URL="https://desk.example.org/kuvert"
    )
    return create_app(settings).test_client()


def test_an_answer_carries_the_id_of_its_request(client: FlaskClient) -> None:
    assert (
        client.get("/healthz", headers={"X-Request-ID": "a1-b.c_d:e"}).headers["X-Request-ID"]
        == "a1-b.c_d:e"
    )


@pytest.mark.parametrize("given", ["", "a b", "x" * 101, "<script>", "é", "-"])
def test_an_odd_request_id_is_replaced(client: FlaskClient, given: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": given.encode().decode("latin-1")})

    assert len(answer.headers["X-Request-ID"]) == 36


def test_two_requests_have_two_ids(client: FlaskClient) -> None:
    first, second = (client.get("/healthz").headers["X-Request-ID"] for _ in range(2))

    assert first != second


def test_answers_are_not_sniffed_nor_kept(client: FlaskClient) -> None:
    answer = client.get("/api/v1/invoices")

    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "gzip, gzip"])
def test_a_compressed_body_is_refused(client: FlaskClient, encoding: str) -> None:
    answer = client.post(
        "/api/v1/invoices", data=b"\x1f\x8b", headers={"Content-Encoding": encoding}
    )

    assert answer.status_code == 415
    assert answer.get_json()["detail"] == "Compressed bodies are not accepted"


def test_identity_is_no_compression(client: FlaskClient) -> None:
    answer = client.post("/api/v1/invoices", headers={"Content-Encoding": "identity"})

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "host", ["desk.example.org", "DESK.example.org:8000", "localhost", "127.0.0.1:80", "[::1]:1"]
)
def test_our_own_names_are_served(production: FlaskClient, host: str) -> None:
    assert production.get("/api/v1/nothing", headers={"Host": host}).status_code == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "desk.example.org.evil.example", "", "desk.example.org@evil"]
)
def test_another_name_is_refused(production: FlaskClient, host: str) -> None:
    answer = production.get("/api/v1/nothing", headers={"Host": host})

    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"


def test_probes_come_by_address(production: FlaskClient) -> None:
    assert production.get("/healthz", headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_in_development_any_name_is_served(client: FlaskClient) -> None:
    assert client.get("/healthz", headers={"Host": "laptop.local"}).status_code == 200


def test_a_request_leaves_one_line_without_data(
    client: FlaskClient, source: SourceWithKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="kuvert.request")

    client.get("/api/v1/invoices?buyer=Secret", headers=source.headers)

    [record] = [record for record in caplog.records if record.name == "kuvert.request"]
    fields = record.__dict__
    assert (fields["method"], fields["route"], fields["status"]) == ("GET", "/api/v1/invoices", 200)
    assert fields["source_name"] == "erp"
    assert fields["duration_ms"] >= 0
    assert "Secret" not in str(fields)
    assert source.key not in str(fields)


def test_the_line_of_a_request_says_how_large_both_sides_were(
    api: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="kuvert.request")

    answer = api.post("/api/v1/invoices/validate", data=b"{}", content_type="application/json")

    [record] = [record for record in caplog.records if record.name == "kuvert.request"]
    fields = record.__dict__
    assert (fields["request_bytes"], fields["response_bytes"]) == (2, len(answer.data))
    assert fields["request_id"] == answer.headers["X-Request-ID"]


def test_a_request_that_is_refused_leaves_its_line(
    production: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="kuvert.request")

    production.get("/api/v1/x", headers={"Host": "evil.example"})

    [record] = [record for record in caplog.records if record.name == "kuvert.request"]
    assert record.__dict__["status"] == 400
    assert "source_name" not in record.__dict__
    assert "user_name" not in record.__dict__


def test_a_path_that_leads_nowhere_is_not_logged(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="kuvert.request")

    client.get("/nobody/knows/what")

    [record] = caplog.records
    assert record.__dict__["route"] == "none"


def test_the_hooks_are_there_whatever_fails(production: FlaskClient) -> None:
    answer = production.get("/x", headers={"Host": "evil.example", "Content-Encoding": "gzip"})

    assert answer.status_code == 415
    assert answer.headers["X-Request-ID"]
